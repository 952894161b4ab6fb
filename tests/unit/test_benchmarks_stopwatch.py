"""The benchmarks' stopwatch, on fixtures that stand for the kit's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import measured, stopwatch
from benchmarks.processes import Finished

ROOT = Path(stopwatch.__file__).parent.parent
SUITE = """
import time

import pytest

from benchmarks.stopwatch import asked, counted, note

PART = 0.02

def wait(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

@pytest.fixture
def postgres_database():
    wait(PART)
    yield
    wait(PART)

@pytest.fixture
def postgres_session(request):
    request.getfixturevalue("postgres_database")
    wait(PART)
    yield
    wait(PART)

@pytest.fixture
def other():
    wait(PART)

@pytest.mark.parametrize("turn", range(2))
def test_a(postgres_session, other, turn):
    with counted():
        wait(PART)
    note("seen", time.monotonic() - asked())

@pytest.mark.parametrize("turn", range(2))
def test_b(other, turn):
    note("order", turn)
"""


def seen_by_the_stopwatch(pytester: pytest.Pytester, **variables: str) -> dict[str, object]:
    """Run SUITE under the stopwatch in a process of its own and return what it has noted."""
    path = pytester.path / "values"
    for name, text in {stopwatch.VALUES: str(path), "PYTHONPATH": str(ROOT), **variables}.items():
        pytester._monkeypatch.setenv(name, text)
    pytester.makepyfile(SUITE)
    blocked = ("-p", "no:wflo_testkit", "-p", "no:randomly", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess("-p", "benchmarks.stopwatch", *blocked).assert_outcomes(
        passed=1 if variables else 4
    )
    [values] = pytester.path.glob("values.*")
    return dict(json.loads(values.read_text()))


def test_the_stopwatch_counts_the_kits_fixtures_once_and_nothing_else(
    pytester: pytest.Pytester,
) -> None:
    seen = seen_by_the_stopwatch(pytester)

    tests = seen["tests"]
    assert isinstance(tests, list)
    assert len(tests) == 2, "a test that asks for nothing of the kit does not count"
    # At least, never at most: the machine may be slow. Half a part is lost to rounding at worst.
    # One inside the other is two parts, not three; what is `counted` in the test is the third.
    for test in tests:
        assert test["out"] >= 3 * 0.02
        assert test["back"] >= 2 * 0.02
    assert min(t["out"] for t in tests) < min(seen["notes"]["seen"]), "`other` is not counted"  # type: ignore[index]


def test_tests_with_a_turn_take_turns(pytester: pytest.Pytester) -> None:
    seen = seen_by_the_stopwatch(pytester)

    assert seen["notes"]["order"] == [0, 1]  # type: ignore[index]
    assert len(seen["notes"]["seen"]) == 2  # type: ignore[index]


def test_tests_beyond_the_time_of_a_run_are_left_out(pytester: pytest.Pytester) -> None:
    seen = seen_by_the_stopwatch(pytester, **{stopwatch.SECONDS: "0.0"})

    assert len(seen["tests"]) == 1  # type: ignore[arg-type]


def test_the_values_of_several_processes_are_put_together_in_the_order_of_time() -> None:
    worker = {"notes": {"a": [1.0]}, "memory": [[20, 5]], "is_worker": True}
    first = {"tests": [{"at": 2.0, "out": 1.0, "back": 1.0}], **worker}
    second = {"tests": [{"at": 1.0, "out": 3.0, "back": 2.0}], **worker}
    controller = {"tests": [], "notes": {}, "memory": [[20, 9]], "is_worker": False}

    merged = measured._merged([first, second, controller], Finished(1.0, 0.0))

    assert [test.both for test in merged.tests] == [5.0, 2.0]
    assert merged.notes == {"a": [1.0, 1.0]}
    assert list(merged.memory) == [(20, 9)], "the broker is in the controller"
