"""What another run uses is not taken from it, whatever this one thinks of it."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.reuse.conftest import Begin
from tests.reuse.damages import Damage, add_a_field, garble, newer_image, pause, stop
from tests.reuse.parts import is_up, kept_by, row_of
from tests.services.third_party import notes_service
from wflo_testkit.broker import reuse
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.reuse import kept_servers
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import clock


@pytest.mark.slow
def test_a_slow_answer_is_no_reason_to_remove_what_another_run_uses(
    begin: Begin, spec: Spec
) -> None:
    used = begin().servers.get(spec)
    patience = clock.monotonic() + reuse.IDLE_TIMEOUT + 1.0

    def slow(server: Server) -> None:
        if clock.monotonic() < patience:
            raise TimeoutError("no answer yet")
        notes_service.SERVICE.probe(server)

    broker = begin(probe=slow)

    assert broker.servers.get(spec).container_id == used.container_id
    assert row_of(broker)["reused"] == "found"


@pytest.mark.parametrize(
    "damage", quick([pause, newer_image, add_a_field], (pause,)), ids=lambda d: d.__name__
)
def test_what_another_run_uses_is_not_removed_while_it_is_up(
    begin: Begin, spec: Spec, home: UserFolder, damage: Damage
) -> None:
    first = begin()
    used = first.servers.get(spec)
    damage(used, home)
    broker = begin()
    own = broker.servers.get(spec)

    assert is_up(used)
    assert kept_by(home) == [used.container_id]
    assert not own.is_shared
    assert f"run {first.servers._run} uses it" in str(row_of(broker)["note"])
    assert notes_service.ask(own, "PING") == "PONG"


def test_what_another_run_uses_stays_though_its_record_is_lost_and_its_maker_dead(
    begin: Begin, spec: Spec, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin()
    used = first.servers.get(spec)
    garble(used, home)
    monkeypatch.setattr(reuse, "owner_is_dead", lambda _owner: True)
    broker = begin()
    own = broker.servers.get(spec)

    assert is_up(used)
    assert not own.is_shared
    assert f"run {first.servers._run} uses it" in str(row_of(broker)["note"])


def test_mutant_without_marks_of_use_it_is_removed(
    begin: Begin, spec: Spec, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = begin().servers.get(spec)
    pause(used, home)
    monkeypatch.setattr(kept_servers.Uses, "living", lambda *_args, **_kwargs: [])
    begin().servers.get(spec)

    assert used.container_id not in kept_by(home)


def test_a_dead_server_is_replaced_also_under_a_run_that_used_it(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    used = begin().servers.get(spec)
    stop(used, home)
    replaced = begin().servers.get(spec)

    assert replaced.is_shared
    assert kept_by(home) == [replaced.container_id]
