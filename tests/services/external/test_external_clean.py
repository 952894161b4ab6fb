"""`clean` reaches the external servers of the project that it is called in."""

from __future__ import annotations

import secrets
from argparse import Namespace
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.services.external.planted import plant
from tests.services.external.suites import address_setting
from tests.services.external.witness import assert_gone, left_by
from wflo_testkit.cli import clean
from wflo_testkit.dated import dated
from wflo_testkit.model import Server
from wflo_testkit.runtime import leftovers
from wflo_testkit.services.redis.isolation import RedisIsolation
from wflo_testkit.wait import clock

MAX_AGE = "WFLO_TESTKIT_EXTERNAL_MAX_AGE"


@pytest.fixture(autouse=True)
def elsewhere(
    tmp_path: Path, fresh_environment: pytest.MonkeyPatch, server: Server
) -> pytest.MonkeyPatch:
    """A project's folder, away from this user's files, and a Docker in which nothing is left."""
    fresh_environment.setattr("tempfile.tempdir", str(tmp_path))
    fresh_environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fresh_environment.setenv(address_setting(server), server.url)  # type: ignore[attr-defined]
    fresh_environment.setattr(leftovers, "things", lambda *_given, **_more: iter(()))
    fresh_environment.chdir(tmp_path)
    return fresh_environment


def cleaned(**chosen: object) -> int:
    """Clean, with these options; not through `main`, for what is meant for this machine alone."""
    given = {"all": False, "images": False, "run_id": None, "reused": False}
    with pytest.MonkeyPatch.context() as patch:  # no other plugin's import is waited for
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_PLUGINS", "wflo_testkit.plugin")
        return clean.run(Namespace(**{**given, **chosen}))


def planted(server: Server, hours_ago: float) -> str:
    run = dated(secrets.token_hex(4), clock.wall() - hours_ago * 3600)
    plant(server, run, {"redis": ["0a", "0a:key"]})
    return run


@pytest.fixture
def old_and_young(server: Server) -> tuple[str, str]:
    """Runs that have left something, 25 hours and half an hour ago."""
    return planted(server, 25), planted(server, 0.6)


def test_what_an_old_run_left_is_removed_and_named_and_a_young_ones_stays(
    server: Server,
    old_and_young: tuple[str, str],
    elsewhere: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, young = old_and_young
    held = left_by(server, young)
    where = f"on redis at 127.0.0.1:{server.port}"

    assert cleaned() == 0
    assert capsys.readouterr().out == f"removed  what run {old} made {where}\n"
    assert_gone(server, old)
    assert left_by(server, young) == held

    elsewhere.setenv(MAX_AGE, "30m")
    assert cleaned() == 0
    assert capsys.readouterr().out == f"removed  what run {young} made {where}\n"
    assert_gone(server, young)


@pytest.mark.slow
def test_a_run_of_tests_goes_by_the_same_setting(
    server: Server, old_and_young: tuple[str, str], elsewhere: pytest.MonkeyPatch, run_suite: Run
) -> None:
    old, young = old_and_young
    suite = "def test_asks(redis_client): assert redis_client.ping()"

    run_suite(suite, "-n", "0").assert_outcomes(passed=1)
    assert_gone(server, old)
    assert left_by(server, young)

    elsewhere.setenv(MAX_AGE, "30m")
    run_suite(suite, "-n", "0").assert_outcomes(passed=1)
    assert_gone(server, young)


@pytest.mark.parametrize("chosen", [{"run_id": "0123abcd"}, {"reused": True}])
def test_what_is_chosen_on_this_machine_is_sought_nowhere_else(
    server: Server, old_and_young: tuple[str, str], chosen: dict[str, object]
) -> None:
    assert cleaned(**chosen) == 0
    assert all(left_by(server, run) for run in old_and_young)


def test_all_does_not_reach_a_young_run_there(
    server: Server, old_and_young: tuple[str, str]
) -> None:
    assert cleaned(all=True) == 0
    assert left_by(server, old_and_young[1])


def test_a_server_that_does_not_answer_is_named_and_the_exit_code_is_1(
    elsewhere: pytest.MonkeyPatch, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere.setattr("wflo_testkit.broker.starting.EXTERNAL_TIMEOUT", 0.2)
    elsewhere.setenv(address_setting(server), "redis://127.0.0.1:1/0")

    assert cleaned() == 1
    assert "failed   redis: the external redis server at 127.0.0.1:1" in capsys.readouterr().out


def test_what_resists_is_named_and_the_exit_code_is_1(
    elsewhere: pytest.MonkeyPatch,
    old_and_young: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def resisting(_self: object, _runs: object) -> object:
        raise OSError("no")

    elsewhere.setattr(RedisIsolation, "sweep", resisting)

    assert cleaned() == 1
    line = capsys.readouterr().out
    assert line.startswith(f"failed   what run {old_and_young[0]} made on redis at 127.0.0.1:")
    assert line.endswith(": OSError: no\n")


def test_settings_that_cannot_be_read_are_told_and_the_exit_code_is_1(
    elsewhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere.setenv(MAX_AGE, "long")

    assert cleaned() == 1
    assert "external_max_age" in capsys.readouterr().out
