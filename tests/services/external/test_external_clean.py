"""`clean` reaches the external servers of the project that it is called in."""

from __future__ import annotations

import secrets
import signal
from argparse import Namespace
from pathlib import Path

import pytest

from tests.lifecycle.runs import HOST
from tests.services.external.conftest import Start
from tests.services.external.suites import address_setting, go
from tests.services.external.witness import assert_gone, left_by
from wflo_testkit.cli import clean
from wflo_testkit.cli.main import main
from wflo_testkit.model import Server
from wflo_testkit.runtime import labels


@pytest.fixture(autouse=True)
def elsewhere(
    tmp_path: Path, fresh_environment: pytest.MonkeyPatch, server: Server
) -> pytest.MonkeyPatch:
    """The machine of the launched suites, in a project's folder, away from this user's files."""
    fresh_environment.setattr(labels, "_host", lambda: HOST)
    fresh_environment.setattr("tempfile.tempdir", str(tmp_path))
    fresh_environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fresh_environment.setenv(address_setting(server), server.url)  # type: ignore[attr-defined]
    fresh_environment.chdir(tmp_path)
    return fresh_environment


def test_a_killed_runs_part_is_removed_and_a_living_ones_left(
    server: Server, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    killed, living = start(server, "killed"), start(server, "living")
    for each in (killed, living):
        each.await_file("ready-*")
    killed.die(signal.SIGKILL, everybody=True)
    held = left_by(server, living.run)

    assert main(["clean"]) == 0

    lines = capsys.readouterr().out
    where = f"on redis at 127.0.0.1:{server.port}"
    assert f"removed  what run {killed.run} made {where}\n" in lines
    assert f"left     what run {living.run} made {where}: its run may still be going on" in lines
    assert_gone(server, killed.run)
    assert left_by(server, living.run) == held
    assert go(living) == 0


def test_all_does_not_reach_a_living_run_there(server: Server, start: Start) -> None:
    living = start(server, "living")
    living.await_file("ready-*")
    held = left_by(server, living.run)

    # Not through `main`: what `--all` does to this machine's Docker is meant for nobody here.
    clean.clear_external(Namespace(all=True, run_id=None))

    assert left_by(server, living.run) == held
    assert go(living) == 0


def test_one_run_is_chosen_by_its_id_and_forced(
    server: Server, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    living = start(server, "living")
    living.await_file("ready-*")

    assert main(["clean", "--run", secrets.token_hex(4), "--all"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    assert main(["clean", "--run", living.run]) == 0
    assert left_by(server, living.run)

    assert main(["clean", "--run", living.run, "--all"]) == 0
    assert_gone(server, living.run)


def test_a_server_that_does_not_answer_is_named_and_the_exit_code_is_1(
    elsewhere: pytest.MonkeyPatch, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere.setattr("wflo_testkit.broker.starting.EXTERNAL_TIMEOUT", 0.2)
    elsewhere.setenv(address_setting(server), "redis://127.0.0.1:1/0")

    assert main(["clean", "--run", secrets.token_hex(4)]) == 1
    assert "failed   redis: the external redis server at 127.0.0.1:1" in capsys.readouterr().out
