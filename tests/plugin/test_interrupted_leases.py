"""Whatever ends a test in the middle of a lease, as pytest-timeout does, nothing stays held."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker.installed import install
from tests.conftest import Run

STEPS = 200
"""More lines of the kit than a lease, or its return, has in the process of the test."""

SUITE = f"""
import pytest

def test_first(desks_desk):
    assert desks_desk.data["desk"] == 0

@pytest.mark.parametrize("n", range(1, {STEPS}))
def test_interrupted(desks_desk, n):
    pass

def test_afterwards(desks_desk):
    assert desks_desk.data["desk"] == 0, "nobody holds another"
"""
INTERRUPTS = """
import linecache
import sys
import pytest

def is_at_the_end_of_with(code, line):
    # Reported once more when the block is left; no signal is handled before __exit__ there.
    return linecache.getline(code.co_filename, line).lstrip().startswith("with ")

def is_ours(code):
    inside_of_the_broker = "{phase}" == "teardown" and code.co_filename.endswith("leases.py")
    return "wflo_testkit" in code.co_filename and not inside_of_the_broker

def interrupt(n):
    left = [n]

    def count(frame, event, _arg):
        if event == "line" and not is_at_the_end_of_with(frame.f_code, frame.f_lineno):
            left[0] -= 1
            if left[0] == 0:
                pytest.fail("Timeout")  # what pytest-timeout's signal handler does
        return count

    sys.settrace(lambda frame, *_: count if is_ours(frame.f_code) else None)

def number(item):
    return item.callspec.params["n"] if hasattr(item, "callspec") else 0

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    if fixturedef.argname == "desks_desk" and "{phase}" == "setup":
        interrupt(number(request.node))
    try:
        return (yield)
    finally:
        sys.settrace(None)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    if "{phase}" == "teardown":
        interrupt(number(item))
    try:
        return (yield)
    finally:
        sys.settrace(None)
"""
"""A conftest.py: test n is ended at the n-th line of the kit that its phase runs."""

QUIETLY = ("--wflo-leftovers=ignore", "--tb=no")  # a desk never comes back without a cup on it

NEVER_WITHDRAWS = """
from wflo_testkit.plugin.asking import Asked

Asked.withdraw = lambda self: None
"""


@pytest.fixture(autouse=True)
def desks_installed(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> Path:
    """The service `desks`, which hands out the lowest number that nobody holds."""
    return install(pytester, fresh_environment)


@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n1",), marks=pytest.mark.slow)], ids=["one process", "worker"]
)
@pytest.mark.parametrize("phase", ["setup", pytest.param("teardown", marks=pytest.mark.slow)])
def test_a_lease_that_is_interrupted_at_any_line_is_given_back(
    run_suite: Run, phase: str, workers: tuple[str, ...]
) -> None:
    result = run_suite(SUITE, *workers, *QUIETLY, conftest=INTERRUPTS.replace("{phase}", phase))

    found = result.parseoutcomes()
    assert "failed" not in found, "test_afterwards got the desk that everybody gets"
    assert 20 < found["errors"] < STEPS - 1, "some, and not all, had a line to be interrupted at"


@pytest.mark.slow
def test_mutant_that_never_withdraws_leaves_some_held(run_suite: Run) -> None:
    conftest = INTERRUPTS.replace("{phase}", "setup") + NEVER_WITHDRAWS

    assert "failed" in run_suite(SUITE, "-n1", *QUIETLY, conftest=conftest).parseoutcomes()


RAISES = """

def _raise(lease, test):
    if "raises" in test.nodeid:
        raise OSError("the lamp is broken")
    return plain(lease)

SERVICE = dataclasses.replace(
    SERVICE, leases=(LeaseKind(name="desk", doc="A desk.", handle=_raise),)
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "worker"])
def test_a_handle_that_raises_leaves_no_lease(
    run_suite: Run, desks_installed: Path, workers: tuple[str, ...]
) -> None:
    source = desks_installed / "desks.py"
    text = source.read_text().replace("import threading", "import dataclasses\nimport threading")
    source.write_text(text + RAISES)
    suite = """
        def test_raises(desks_desk): pass
        def test_next(desks_desk): assert desks_desk.data["desk"] == 0
    """
    result = run_suite(suite, *workers, "--wflo-leftovers=ignore")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the lamp is broken*"])


PAUSES = """
import docker
import pytest
from wflo_testkit.wait import pause

@pytest.fixture
def stuck(redis_server):
    client = docker.from_env()
    container = client.containers.get(redis_server.container_id)
    container.pause()
    yield container
    client.close()

@pytest.mark.timeout(1, func_only=True)
def test_stuck(stuck, request):
    try:
        request.getfixturevalue("redis_database")
    finally:
        stuck.unpause()

@pytest.mark.parametrize("n", range(3))
def test_next(request, n):
    pause(0.5)  # the broker may be about to take it back
    request.getfixturevalue("redis_client").ping()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "worker"])
def test_pytest_timeout_in_the_middle_of_a_lease_takes_no_database_away(
    run_suite: Run, workers: tuple[str, ...]
) -> None:
    """There is one, and the server is stuck while it is leased for the first time."""
    pyproject = "[tool.wflo-testkit]\nredis_databases = 2"
    result = run_suite(PAUSES, *workers, "-rpf", pyproject=pyproject)

    result.stdout.fnmatch_lines_random(
        ["FAILED *::test_stuck - Failed: Timeout*", "PASSED *::test_next?2?"]
    )
