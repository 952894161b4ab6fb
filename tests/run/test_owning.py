"""The owner and its broker: who sees what, who watches whom, who ends what."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker import desks
from tests.lifecycle import processes
from tests.lifecycle.runs import lives
from wflo_testkit.broker import client
from wflo_testkit.broker.api import Ask
from wflo_testkit.errors import BrokerLost, SettingError, TestkitError
from wflo_testkit.model import Grant
from wflo_testkit.run.launch import environment
from wflo_testkit.run.owner import RunOwner
from wflo_testkit.wait import wait_until


def broker_of(owner: RunOwner) -> int:
    [found] = processes.that_name(f"broker of run {owner._run}")
    return found


def eventually(check: Callable[[], object]) -> None:
    wait_until(check, timeout=30, describe="it")


def test_only_this_user_can_reach_it_or_read_what_it_writes(owner: RunOwner) -> None:
    path = Path(owner.begin())

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((path.parent / client.LOG).stat().st_mode) == 0o600


def test_it_begins_with_its_first_caller_and_answers_those_who_came_before(owner: RunOwner) -> None:
    path = owner.begin_when_asked()
    assert not owner.has_begun
    found: list[str] = []

    def ask(number: int) -> None:
        asker = client.connect(path, f"gw{number}")
        found.append(asker.server(desks.spec()).name)
        asker.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert found == ["desks"] * 6
    assert owner.has_begun


def test_one_that_nobody_calls_leaves_nothing(owner: RunOwner) -> None:
    path = Path(owner.begin_when_asked())
    owner.close()

    assert not path.parent.exists()
    assert not owner.has_begun
    assert "wflo-owner" not in {
        thread.name for thread in threading.enumerate() if thread.is_alive()
    }


def test_its_end_ends_the_process_and_takes_the_folder(owner: RunOwner) -> None:
    path = Path(owner.begin())
    asker = client.connect(str(path), "main")
    asker.server(desks.spec())
    broker = broker_of(owner)
    asker.close()
    owner.close()

    eventually(lambda: not lives(broker))
    assert not path.parent.exists()


@pytest.mark.slow
def test_a_killed_one_is_one_error_with_its_last_lines(owner: RunOwner) -> None:
    asker = client.connect(owner.begin(), "main")
    asker.summary()
    os.kill(broker_of(owner), signal.SIGKILL)

    with pytest.raises(BrokerLost, match=rf"is gone(.|\n)*last lines:(.|\n)*run {owner._run}"):
        asker.summary()
    asker.close()
    with pytest.raises(BrokerLost, match="was lost; what it had started"):
        owner.close()


def test_what_keeps_it_from_beginning_is_told_to_the_owner_and_to_callers(
    owner: RunOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise SettingError("there is no such setting")

    monkeypatch.setattr(owner, "_configure", refuse)
    path = owner.begin_when_asked()
    asker = client.connect(path, "gw0")
    with pytest.raises(BrokerLost):
        asker.summary()
    asker.close()
    for _ in range(2):
        with pytest.raises(SettingError, match="no such setting"):
            owner.begin()


def test_a_python_that_cannot_be_found_is_an_error_that_says_so(
    owner: RunOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("executable", "_base_executable", "prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, "")

    with pytest.raises(TestkitError, match="could not be begun"):
        owner.begin()


def test_a_signal_has_it_write_what_all_its_threads_do(owner: RunOwner) -> None:
    asker = client.connect(owner.begin(), "main")
    asker.summary()
    os.kill(broker_of(owner), signal.SIGUSR1)

    eventually(lambda: "until_its_end" in owner.log and "_accept" in owner.log)
    asker.close()


def test_signals_that_end_tests_politely_do_not_end_it(owner: RunOwner) -> None:
    asker = client.connect(owner.begin(), "main")
    asker.summary()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(broker_of(owner), number)

    assert asker.summary() == []
    assert os.getsid(broker_of(owner)) == broker_of(owner), "and a terminal's do not reach it"
    asker.close()


def test_one_that_was_stopped_goes_on_and_has_lost_nothing(owner: RunOwner) -> None:
    asker = client.connect(owner.begin(), "main")
    ask = Ask(key=asker.server(desks.spec()).key, kind="desk", mode="", params={})
    held = asker.lease(ask)
    assert isinstance(held, Grant)
    broker = broker_of(owner)
    os.kill(broker, signal.SIGSTOP)
    seen = os.WSTOPPED | os.WNOWAIT | os.WNOHANG  # some of its threads may go on for a moment
    wait_until(lambda: os.waitid(os.P_PID, broker, seen), timeout=20, describe="it has stopped")
    answer: list[object] = []
    waiting = threading.Thread(target=lambda: answer.append(asker.call(held.id, "look", {})))
    waiting.start()
    waiting.join(1)
    assert answer == []
    os.kill(broker, signal.SIGCONT)
    waiting.join(30)

    assert answer == [{"desk": 0, "did": "look"}]
    asker.close()


def test_a_forked_child_that_goes_on_to_the_end_ends_nothing(owner: RunOwner) -> None:
    asker = client.connect(owner.begin(), "main")
    asker.summary()
    if (child := os.fork()) == 0:
        asker.close()
        owner.close()
        os._exit(0)
    os.waitpid(child, 0)

    assert asker.summary() == []
    asker.close()


HOLDS_OPEN = """
import os, sys
from pathlib import Path
from tests.run.test_owning import holding

holding(sys.argv[1])
"""


def holding(folder: str) -> None:
    """Own a broker, fork a child that lives on, and die."""
    from wflo_testkit import services, settings
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.settings import Settings

    table = services.table()
    loaded = Settings.load(
        settings.every(table),
        settings.words(table),
        rootdir=Path(folder),
        environ={},
        command_line={},
    )
    owner = RunOwner("0123abcd", lambda: RunConfig.of("0123abcd", Path(folder), loaded))
    asker = client.connect(owner.begin(), "main")
    asker.summary()
    print(broker_of(owner), flush=True)
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_owner_that_dies_is_seen_to_be_gone_whatever_its_child_holds_open(
    root: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_OPEN, str(tmp_path)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    broker = int(process.stdout.readline())
    process.wait(30)
    eventually(lambda: not lives(broker))

    process.communicate()


def test_what_would_have_it_measured_does_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COV_CORE_SOURCE"):
        monkeypatch.setenv(name, "here")
    monkeypatch.setenv("DOCKER_HOST", "there")

    assert environment()["DOCKER_HOST"] == "there"
    assert not [name for name in environment() if name.startswith(("COVERAGE_", "COV_CORE_"))]
