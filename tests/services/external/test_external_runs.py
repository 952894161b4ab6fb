"""Several runs on one external server: what is old goes, and a run that is there keeps all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cases import quick
from tests.lifecycle.runs import Launched
from tests.services.asker import asker, row, run_of_its_own
from tests.services.external.conftest import Start
from tests.services.external.planted import ALIKE, OWN, begin_workflow, plant, uproot
from tests.services.external.suites import address, from_outside, go
from tests.services.external.witness import LOOKS, assert_gone, assert_removed, left_by
from wflo_testkit import dated
from wflo_testkit.broker import external
from wflo_testkit.broker.api import Ask
from wflo_testkit.isolation import Sweeps
from wflo_testkit.model import Server
from wflo_testkit.services.postgres import cluster
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.redis.admin import NAME
from wflo_testkit.services.redis.names import Names
from wflo_testkit.wait import clock, wait_until

NAMES = ("postgres", "redis", "kafka", "temporal")
SERVICES, KILLED = quick(NAMES, ("postgres", "redis")), quick(NAMES, ("postgres",))
TELLING = ("postgres", "redis")
"""Services whose servers tell who is connected."""
HOUR = 3600.0
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, too, clearing up comes to its end."""
    monkeypatch.setattr(external, "CLEARING_TIMEOUT", 60.0)


def kill(launched: Launched) -> None:
    """Kill the broker, which else would clear up, and the tests."""
    os.kill(launched.broker(), signal.SIGKILL)
    launched.die(signal.SIGKILL, everybody=True)


def visit(server: Server, **settings: str) -> None:
    """Come and go as a run that uses the server."""
    with run_of_its_own() as broker:
        asked = asker(broker, server.service, **address(server), **settings)
        broker.servers.isolation(asked.server.key)


@contextmanager
def holding(server: Server, hours_ago: float, mode: str = "") -> Iterator[str]:
    """A run that began so long ago, holds a part and is idle: yields its id."""
    with run_of_its_own() as broker, pytest.MonkeyPatch.context() as patched:
        asked = asker(broker, server.service, **address(server))
        patched.setattr(clock, "_offset", clock._offset - hours_ago * HOUR)
        isolation = broker.servers.isolation(asked.server.key)
        patched.undo()
        if mode == "schema":
            isolation._cluster.databases.may_create = False  # type: ignore[attr-defined]
        ask = Ask(key=asked.server.key, kind="empty_database", mode="", params={})
        broker.owner("main").lease(ask)
        if server.service == "postgres":  # databases are made ahead, and all of them count
            stocks = isolation._pool._of_template.values()  # type: ignore[attr-defined]
            wait_until(lambda: not any(each.coming for each in stocks), timeout=60, poll=0.002)
        yield broker._session.run


@pytest.mark.slow
@pytest.mark.parametrize("server", KILLED, indirect=True)
def test_the_next_run_clears_an_old_one_that_was_killed_and_no_other(
    server: Server, start: Start
) -> None:
    tells = server.service in TELLING
    living = start(server, "living", ago=25 * HOUR if tells else 0)
    young = start(server, "young")
    for each in (living, young):
        each.await_file("ready-*")
    killed = start(server, "killed", ago=25 * HOUR)  # after those that would sweep it
    killed.await_file("ready-*")
    kill(killed)
    kill(young)
    assert left_by(server, killed.run)
    kept, held = left_by(server, young.run), left_by(server, living.run)
    assert kept
    assert held

    following = start(server, "following")
    assert go(following) == 0, following.output

    assert_gone(server, killed.run)
    assert left_by(server, young.run) == kept
    assert left_by(server, living.run) >= held  # it goes on making databases ahead
    assert go(living) == 0, living.output
    assert_gone(server, living.run, following.run)
    sweep(server, young.run)


def sweep(server: Server, run: str) -> None:
    """Drop what a dead run has left, however young."""
    isolation = row(server.service).isolation(from_outside(server), "0a0a0a0a")
    assert isinstance(isolation, Sweeps)
    for _step in isolation.sweep([each for each in isolation.abandoned() if run in each]):
        pass
    isolation.close()
    assert_gone(server, run)


@pytest.mark.parametrize("server", SERVICES, indirect=True)
def test_what_is_called_otherwise_stays_whatever_its_age(server: Server) -> None:
    run = "20200101t0000_0a0a0a01"
    own, alike = plant(server, run), plant(server, run, ALIKE)

    visit(server)

    assert_removed(server, {*own})
    assert LOOKS[server.service](server) >= {*alike}
    uproot(server, alike)


@pytest.mark.parametrize("server", TELLING, indirect=True)
def test_if_names_were_not_read_to_their_end_what_is_anothers_would_go(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above must be able to fail."""

    def begins(names: dated.Names, run: str, name: str) -> bool:
        return name.startswith(names.stem(run))

    monkeypatch.setattr(dated.Names, "is_of", begins)
    run = "20200101t0000_0a0a0a04"
    plant(server, run, {server.service: OWN[server.service][:1]})
    alike = plant(server, run, ALIKE)

    visit(server)

    assert not LOOKS[server.service](server) & {*alike}


@pytest.mark.slow
@pytest.mark.parametrize("server", ["temporal"], indirect=True)
def test_in_a_namespace_that_all_share_only_what_an_old_run_has_running_is_ended(
    server: Server,
) -> None:
    ids = [f"wflo-{run}-order" for run in ("20200101t0000-0a0a0a03-0b", "0a0a0a03-0b")]
    ids += ["wflo-20200101t0000-0a0a0a03", "wflo-prod-0a0a0a03-order"]
    for workflow_id in ids:
        begin_workflow(server, workflow_id)
    wait_until(lambda: left_by(server, "0a0a0a03") == {*ids}, timeout=30)

    visit(server, namespace="default")
    assert_gone(server, "20200101t0000-0a0a0a03-0b")
    assert left_by(server, "0a0a0a03") == {*ids[1:]}

    with run_of_its_own() as broker:
        asked = asker(broker, "temporal", **address(server), namespace="default")
        with asked.lease(keep=True) as handle:
            begin_workflow(server, handle.workflow_id("order"))
        run = broker._session.run
        wait_until(lambda: left_by(server, run), timeout=30)
    assert_gone(server, run)


IDLE = [("postgres", ""), ("postgres", "schema"), ("redis", "")]


@pytest.mark.parametrize(("server", "mode"), IDLE, indirect=["server"])
def test_an_idle_connection_is_enough_to_keep_an_old_run(server: Server, mode: str) -> None:
    with holding(server, 48, mode) as run:
        held = left_by(server, run)
        assert held

        visit(server)

        assert left_by(server, run) == held
    assert_gone(server, run)


@pytest.mark.parametrize("server", TELLING, indirect=True)
def test_without_a_look_at_sessions_an_old_run_would_lose_what_it_holds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above must be able to fail."""
    sweeping = f"wflo_testkit.services.{server.service}.sweep"
    monkeypatch.setattr(f"{sweeping}.without_session", lambda runs, _sessions: set(runs))

    with holding(server, 48) as run:
        visit(server)

        assert left_by(server, run) == set()


@pytest.mark.parametrize("server", TELLING, indirect=True)
def test_if_its_connection_did_not_say_whose_it_is_an_idle_run_would_lose_all(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above must be able to fail."""
    monkeypatch.setattr(cluster, "Admin", lambda server, _application: Admin(server))
    monkeypatch.setattr(Names, "administrator", NAME)

    with holding(server, 48) as run:
        visit(server)

        assert left_by(server, run) == set()


SWEEPS = """
import json, sys
from importlib import import_module

row = import_module(f"wflo_testkit.services.{sys.argv[1]}").SERVICE
isolation = row.isolation(row.server.from_json(json.loads(sys.argv[2])), "0a0a0a0a")
assert sys.argv[3] in isolation.abandoned()
print("ready", flush=True)
sys.stdin.readline()
for _step in isolation.sweep([sys.argv[3]]):
    if sys.argv[4:]:
        print("step", flush=True)
        sys.stdin.readline()
isolation.close()
"""


def sweeper(server: Server, run: str, *more: str) -> subprocess.Popen[str]:
    """Start what sweeps once it is told to; with one more word it stops after each step."""
    given = [server.service, json.dumps(from_outside(server).to_json()), run, *more]
    started = subprocess.Popen(
        [sys.executable, "-c", SWEEPS, *given], stdin=-1, stdout=-1, text=True, cwd=ROOT
    )
    expect(started, "ready")
    return started


def expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
@pytest.mark.parametrize("server", KILLED, indirect=True)
def test_two_that_sweep_at_once_and_one_that_is_killed_half_way_leave_nothing(
    server: Server,
) -> None:
    plant(server, run := dated.dated("0a0a0a02", clock.wall() - 48 * HOUR))
    with ExitStack() as stack:
        killed, *others = (
            stack.enter_context(sweeper(server, run, *more)) for more in (["stops"], [], [])
        )
        tell(killed)
        if server.service != "kafka":  # where all that is left goes in one step
            expect(killed, "step")
            assert left_by(server, "0a0a0a02")
        for each in others:
            tell(each)
        killed.kill()

        assert [each.wait(60) for each in others] == [0, 0]
    assert_gone(server, "0a0a0a02")
