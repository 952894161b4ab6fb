"""A temp folder whose path is too long or odd for a socket troubles nobody."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run

PLAIN = "def test_of_somebody_else(tmp_path): pass"
USES = """
import pytest

@pytest.mark.parametrize("n", range(2))
def test_with_everything(postgres_session, redis_client, postgres_server, redis_server, n):
    from sqlalchemy import text

    assert postgres_server.sockets in postgres_server.keywords["host"]
    assert redis_server.socket
    postgres_session.execute(text("CREATE TABLE mine (id int)"))
    assert redis_client.incr("mine") == 1
"""
NO_PLACE = """
from wflo_testkit.runtime import folders

folders._ELSEWHERE = ("/nowhere/at/all",)
"""
"""A conftest.py under which a temp folder that will not do has nothing in its place."""

PointAt = Callable[[str], Path]


@pytest.fixture
def point_at(fresh_environment: pytest.MonkeyPatch) -> Iterator[PointAt]:
    """Make a folder of that name, and set TMPDIR to it for the suites."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as around:

        def point_at(name: str) -> Path:
            place = Path(around, name)
            place.mkdir()
            fresh_environment.setenv("TMPDIR", str(place))
            return place

        yield point_at


LONG, COMMA, UNDECODABLE = "x" * 100, "a,b", os.fsdecode(b"\xff")


@pytest.mark.slow
@pytest.mark.parametrize("name", [LONG, UNDECODABLE], ids=["long", "undecodable"])
def test_a_suite_without_a_kit_test_meets_nothing_of_it_under_xdist(
    run_suite: Run, point_at: PointAt, name: str
) -> None:
    point_at(name)

    run_suite(PLAIN, "-n1").assert_outcomes(passed=1)


@pytest.mark.slow
def test_workers_that_cannot_start_leave_no_folder(run_suite: Run, point_at: PointAt) -> None:
    place = point_at("t")

    result = run_suite(PLAIN, "-d", "--tx", "popen//python=/no/such/interpreter")

    assert result.ret != pytest.ExitCode.OK
    assert not list(place.glob("wflo-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "workers"),
    [
        (COMMA, ()),
        (COMMA, ("-n2",)),
        (LONG, ("-n2",)),
        (UNDECODABLE, ("-n2",)),
        ("a b:c%41", ("-n2",)),
    ],
    ids=["comma, one process", "comma", "long", "undecodable", "others"],
)
def test_services_are_reached_all_the_same(
    run_suite: Run, point_at: PointAt, name: str, workers: tuple[str, ...]
) -> None:
    place = point_at(name)

    run_suite(USES, *workers).assert_outcomes(passed=2)

    assert list(place.glob("wflo-*")) == []


@pytest.mark.slow
def test_a_fake_machine_without_a_place_fails_who_uses_the_kit_and_nobody_else(
    run_suite: Run, point_at: PointAt
) -> None:
    point_at(COMMA)
    suite = PLAIN + "\ndef test_of_ours(redis_client): pass"
    result = run_suite(suite, "-n1", conftest=NO_PLACE)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*there is no place for the Unix sockets*", "*to fix:*TMPDIR*"])


@pytest.mark.slow
def test_a_wrong_setting_fails_who_uses_the_kit_and_nobody_else(run_suite: Run) -> None:
    suite = PLAIN + "\ndef test_of_ours(redis_client): pass"
    result = run_suite(suite, "-n1", pyproject="[tool.wflo-testkit]\nimages = 'none'")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the setting images cannot be 'none'*"])
