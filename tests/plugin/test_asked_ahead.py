"""What the next test leases is asked for with the release of this one's, and never kept in vain."""

from __future__ import annotations

import pytest

from tests.broker.installed import install
from tests.conftest import Run

QUIETLY = "--wflo-leftovers=ignore"  # a desk never comes back without a cup on it
NOTING = '''

import os
import dataclasses
from pathlib import Path


class NotingDesks(Desks):
    """Notes in a folder for which test it has leased, and that it got it back."""

    def lease(self, request):
        leased = super().lease(request)
        name = request.test.partition("::")[2]
        (Path(os.environ["LEASED"]) / name).touch()
        return {**leased, "test": name, "number": request.params["number"]}

    def release(self, lease, *, keep):
        left = super().release(lease, keep=keep)
        (Path(os.environ["LEASED"]) / f"{lease.data['test']}.back").touch()
        return left


def number(test):
    marker = test.node.get_closest_marker("number")
    return {"number": marker.args[0] if marker else 0}


SERVICE = dataclasses.replace(
    SERVICE, isolation=NotingDesks, leases=(dataclasses.replace(SERVICE.leases[0], params=number),)
)
'''
CONFTEST = """
def pytest_configure(config):
    config.addinivalue_line("markers", "number(n): what to ask for")
"""


@pytest.fixture(autouse=True)
def desks_installed(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> None:
    """The service `desks`, which hands out the lowest number that nobody holds, and tells why."""
    install(pytester, fresh_environment, more=NOTING)
    fresh_environment.setenv("LEASED", str(pytester.mkdir("leased")))


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "worker"])
def test_the_next_tests_lease_is_made_before_it_asks(
    run_suite: Run, workers: tuple[str, ...]
) -> None:
    suite = """
        import os
        from pathlib import Path

        import pytest
        from wflo_testkit.wait import wait_until

        @pytest.fixture
        def leased():
            mine = Path(os.environ["LEASED"]) / "test_second"
            wait_until(mine.exists, timeout=20, describe="it is leased before it is asked for")

        def test_zeroth(desks_desk): pass

        def test_first(desks_desk): pass

        def test_second(leased, desks_desk):
            assert desks_desk.data == {"desk": 0, "test": "test_second", "number": 0}
    """
    run_suite(suite, QUIETLY, *workers, conftest=CONFTEST).assert_outcomes(passed=3)


SKIPPED = """
    import os
    from pathlib import Path

    import pytest
    from wflo_testkit.wait import wait_until

    def test_zeroth(desks_desk): pass

    def test_first(desks_desk): pass

    @pytest.mark.skip(reason="not today")
    def test_skipped(desks_desk): pass

    def test_last(desks_desk):
        back = Path(os.environ["LEASED"]) / "test_skipped.back"
        wait_until(back.exists, timeout=3, describe="nobody holds another")
"""
KEEPS_WHAT_NO_TEST_HAS_TAKEN = """
from wflo_testkit.plugin.asking import AskedAhead

def turn_to(self, item):
    self._next = item

AskedAhead.turn_to = turn_to
AskedAhead.take = lambda self, fixture, take=AskedAhead.take: take(self, "")
"""


def test_what_a_skipped_test_would_have_had_is_taken_back(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    run_suite(SKIPPED, QUIETLY, conftest=CONFTEST).assert_outcomes(passed=3, skipped=1)

    assert (pytester.path / "leased" / "test_skipped").exists(), "it was asked for"


@pytest.mark.slow
def test_mutant_that_takes_nothing_back_leaves_it_held(run_suite: Run) -> None:
    result = run_suite(SKIPPED, QUIETLY, conftest=CONFTEST + KEEPS_WHAT_NO_TEST_HAS_TAKEN)

    result.stdout.fnmatch_lines(["*nobody holds another*"])


def test_a_test_that_asks_for_something_else_gets_that(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    suite = """
        import pytest

        TIMES = [1, 1, 1, 2, 1, 2, 2, 2]

        def marked(at, n):
            return pytest.param(at, n, marks=pytest.mark.number(n))

        @pytest.mark.parametrize("at, n", [marked(*each) for each in enumerate(TIMES)])
        def test_it(desks_desk, at, n):
            # Which desk it is, is chance: what is withdrawn under way comes back a moment later.
            assert desks_desk.data["test"] == f"test_it[{at}-{n}]"
            assert desks_desk.data["number"] == n
    """
    result = run_suite(suite, QUIETLY, "--wflo-debug", conftest=CONFTEST)

    result.assert_outcomes(passed=8)
    assert withdrawn(result) == 1, "only the fourth comes after two that were alike, and is not"


def withdrawn(result: pytest.RunResult) -> int:
    return sum("asks: withdraw" in line for line in result.outlines)


ELSEWHERE = {
    "an error": "@pytest.mark.wflo(desks='own_server')\ndef test_last(desks_desk): pass",
    "no fixture of the kit": "def test_last(): pass",
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_last_test_with_something_else_leaves_nothing_held(run_suite: Run, what: str) -> None:
    suite = "import pytest\ndef test_first(desks_desk): pass\ndef test_second(desks_desk): pass\n"
    result = run_suite(suite + ELSEWHERE[what], QUIETLY, "--wflo-debug", conftest=CONFTEST)

    assert "failed" not in result.parseoutcomes()
    assert withdrawn(result) == (1 if what == "an error" else 0)
