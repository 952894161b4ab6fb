"""Kept servers go when nobody has used them for long, or when their spec has changed."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from unittest import mock

import pytest

from tests.lifecycle.planted import NOBODY, folder
from tests.reuse.conftest import Begin
from tests.reuse.parts import Processes, kept_by, said, write
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Spec
from wflo_testkit.run.making import remove_idle_behind
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse import kept_servers as shelf_module
from wflo_testkit.runtime.reuse import user_folder as home_module
from wflo_testkit.runtime.reuse.expiry import remove_idle
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import clock, wait_until

HOUR = 3600.0


def other(spec: Spec) -> Spec:
    """Return the same server with another command."""
    return dataclasses.replace(spec, command=(*spec.command, "--maxclients", "50"))


def unused_for(home: UserFolder, seconds: float) -> None:
    """Let every server look as if nobody had used it for so long."""
    for path in home.files("*.json"):
        then = clock.wall() - seconds
        os.utime(path, (then, then))


def quiet(broker: Broker) -> None:
    """Wait until the run has looked for idle servers, as each does in the background."""
    way = broker.servers._reuse
    assert way is not None
    for thread in way._threads:
        thread.join(20)


def gone(home: UserFolder, *containers: str) -> None:
    wait_until(
        lambda: not set(containers) & set(kept_by(home)),
        timeout=20,
        poll=0.1,
        describe="the container is removed",
    )


def test_an_idle_server_goes_with_the_next_run_of_another_project(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    first = begin(max_idle=HOUR)
    idle = first.servers.get(spec)
    first.close()
    unused_for(home, HOUR + 60)
    begin(project="elsewhere").servers.get(other(spec))

    gone(home, idle.container_id)
    assert len(home.files("*.json")) == 1


def test_a_run_without_reuse_removes_it_too(begin: Begin, spec: Spec, home: UserFolder) -> None:
    first = begin(max_idle=HOUR)
    idle = first.servers.get(spec)
    first.close()
    unused_for(home, HOUR + 60)
    remove_idle_behind("another")

    gone(home, idle.container_id)


def test_each_server_has_the_limit_of_the_project_that_used_it_last(
    begin: Begin, spec: Spec, home: UserFolder, kept_servers: KeptServers
) -> None:
    for max_idle in (HOUR, 2 * HOUR):
        broker = begin(max_idle=max_idle)
        used = broker.servers.get(spec)
        broker.close()
    unused_for(home, HOUR + 60)

    assert remove_idle(kept_servers) == []
    assert kept_by(home) == [used.container_id]


def test_one_in_use_never_goes(
    begin: Begin, spec: Spec, home: UserFolder, kept_servers: KeptServers
) -> None:
    used = begin(max_idle=HOUR).servers.get(spec)
    unused_for(home, 99 * HOUR)

    assert remove_idle(kept_servers) == []
    assert kept_by(home) == [used.container_id]
    assert len(home.files("*.json")) == 1


def test_a_run_does_not_remove_what_it_has_used_itself_for_longer_than_that(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    broker = begin(max_idle=HOUR)
    used = broker.servers.get(spec)
    unused_for(home, 99 * HOUR)
    broker.servers.get(dataclasses.replace(spec, name="second"))
    quiet(broker)

    assert used.container_id in kept_by(home)
    assert len(home.files("*.json")) == 2


def test_mutant_without_marks_of_use_it_goes(
    begin: Begin,
    spec: Spec,
    home: UserFolder,
    kept_servers: KeptServers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = begin(max_idle=HOUR)
    broker.servers.get(spec)
    quiet(broker)
    unused_for(home, 99 * HOUR)
    monkeypatch.setattr(shelf_module.Uses, "living", lambda *_args, **_kwargs: [])
    remove_idle(kept_servers)

    assert kept_by(home) == []


def test_use_renews_the_time(
    begin: Begin, spec: Spec, home: UserFolder, kept_servers: KeptServers
) -> None:
    first = begin(max_idle=HOUR)
    used = first.servers.get(spec)
    first.close()
    unused_for(home, HOUR - 60)
    second = begin(max_idle=HOUR)
    second.servers.get(spec)
    second.close()

    assert remove_idle(kept_servers) == []
    assert kept_by(home) == [used.container_id]


def test_a_changed_spec_replaces_the_server_of_that_name(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    first = begin()
    old = first.servers.get(spec)
    first.close()
    new = begin().servers.get(other(spec))

    gone(home, old.container_id)
    assert kept_by(home) == [new.container_id]


def test_a_changed_spec_does_not_replace_what_a_run_uses(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    old = begin().servers.get(spec)
    second = begin()
    new = second.servers.get(other(spec))
    second.close()  # waits for what it does in the background

    assert kept_by(home) == sorted([old.container_id, new.container_id])


def test_another_projects_server_of_the_same_name_is_not_replaced(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    first = begin(project="there")
    old = first.servers.get(spec)
    first.close()
    second = begin(project="here")
    new = second.servers.get(other(spec))
    second.close()

    assert kept_by(home) == sorted([old.container_id, new.container_id])


def test_a_half_made_server_of_a_dead_process_goes_with_whatever_run_comes_next(
    processes: Processes, spec: Spec, home: UserFolder, kept_servers: KeptServers
) -> None:
    dying = processes.begin("dying", "created")
    assert said(dying) == "halted"
    [half_made] = kept_by(home)
    remove_idle(kept_servers)
    assert kept_by(home) == [half_made]

    dying.kill()
    dying.wait()
    remove_idle(kept_servers)

    assert kept_by(home) == []


def test_it_goes_with_a_run_without_reuse_too_and_so_does_the_mark_of_its_maker(
    processes: Processes, home: UserFolder
) -> None:
    dying = processes.begin("dying", "created")
    assert said(dying) == "halted"
    [half_made] = kept_by(home)
    remove_idle_behind("another").join(20)
    assert kept_by(home) == [half_made]
    assert len(home.files("*.use")) == 1

    dying.kill()
    dying.wait()
    remove_idle_behind("another").join(20)

    assert kept_by(home) == []
    assert home.files("*.use") == []


@pytest.fixture
def kept(processes: Processes, home: UserFolder) -> str:
    """The container of a kept server whose maker, a run, has ended."""
    maker = processes.begin("maker")
    container = said(maker).split(" ")[0]
    maker.communicate("\n")
    assert kept_by(home) == [container]
    return container


def test_a_kept_server_stays_though_a_test_fakes_files_or_its_record_cannot_be_read(
    kept: str, home: UserFolder, kept_servers: KeptServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pathlib.Path.open", "io.open", "builtins.open", "os.open"):
        with mock.patch(name, side_effect=FileNotFoundError):
            remove_idle(kept_servers)
        assert kept_by(home) == [kept]

    def fail(_path: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(home_module.kernel, "read_with_status", fail)
        remove_idle(kept_servers)
    assert kept_by(home) == [kept]


def test_a_server_that_a_run_uses_stays_though_its_record_is_of_another_kit(
    kept: str, home: UserFolder, kept_servers: KeptServers
) -> None:
    [path] = home.files("*.json")
    write(home, path.name, path.read_text().replace('"layout": ', '"layout": 9'))
    kept_servers.uses.mark(path.stem, "theirs", kept)
    remove_idle(kept_servers)
    assert kept_by(home) == [kept]

    kept_servers.uses.end(path.stem, "theirs", kept=False)
    remove_idle(kept_servers)

    assert kept_by(home) == []


def test_what_resists_is_left_to_the_next_run(
    begin: Begin,
    spec: Spec,
    home: UserFolder,
    kept_servers: KeptServers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = begin(max_idle=HOUR)
    idle = first.servers.get(spec)
    first.close()
    unused_for(home, HOUR + 60)

    def refuse(_container: str) -> None:
        raise ConnectionError("the daemon is restarting")

    with monkeypatch.context() as patch:
        patch.setattr(kept_servers.engine, "remove", refuse)
        assert remove_idle(kept_servers) == []
    assert kept_by(home) == [idle.container_id]
    assert len(home.files("*.json")) == 1

    assert [record.container_id for record in remove_idle(kept_servers)] == [idle.container_id]
    assert kept_by(home) == []


HALTS_IN_A_DRAFT = """
import sys
from pathlib import Path
from wflo_testkit.runtime.reuse.user_folder import UserFolder

def halt(*_args):
    print("halted", flush=True)
    sys.stdin.read()

Path.replace = halt
home = UserFolder()
with home.lock():
    home.write("record.json", "a password")
"""


def test_the_draft_of_a_killed_writer_goes_at_once_and_that_of_a_living_one_is_waited_for(
    home: UserFolder, kept_servers: KeptServers
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", HALTS_IN_A_DRAFT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert said(writer) == "halted"
    sweeper = threading.Thread(target=remove_idle, args=(kept_servers,))
    sweeper.start()
    sweeper.join(0.5)
    assert len(home.files(".draft-*")) == 1
    assert sweeper.is_alive()

    writer.kill()
    writer.communicate()
    sweeper.join(20)

    assert home.files(".draft-*") == []


def test_a_run_on_kept_servers_removes_the_folders_of_dead_runs(
    begin: Begin, spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = folder(tmp_path, "dead", labels.owner().replace(f" {os.getpid()} ", f" {NOBODY} "))
    alive = folder(tmp_path, "alive", labels.owner())
    broker = begin()
    broker.servers.get(spec)

    broker.close()

    assert (dead.exists(), alive.exists()) == (False, True)
