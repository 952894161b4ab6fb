"""Without a daemon a suite still collects, and what needs one fails, or is skipped and counted."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.conftest import Run

SOURCE = """
def test_that_needs_nothing():
    pass

def test_that_needs_redis(redis_client):
    raise AssertionError("must not run")
"""
MORE = (
    SOURCE
    + """
def test_that_asks_later(request):
    request.getfixturevalue("redis_database")

def test_of_the_server(redis_server):
    pass

def test_skipped_for_another_reason():
    import pytest

    pytest.skip("not today")
"""
)
SKIP = "--wflo-without-docker=skip"
LAST_LINE = 'wflo-testkit: 3 tests skipped, no Docker (without_docker = "skip")'


@pytest.fixture
def no_daemon(fresh_environment: pytest.MonkeyPatch) -> str:
    """A broken daemon: the address of a socket that does not exist."""
    address = "unix:///nowhere/docker.sock"
    fresh_environment.setenv("DOCKER_HOST", address)
    return address


def fails(result: pytest.RunResult, no_daemon: str) -> None:
    """Check that the test with the fixture fails, and that its error says what to do."""
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*{no_daemon}*", "*to fix:*start Docker*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*: *Error*")
    result.stdout.no_fnmatch_line("*skipped*")


def test_collection_works_with_a_broken_daemon(run_suite: Run, no_daemon: str) -> None:
    result = run_suite(SOURCE, "--collect-only", "-q")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_that_needs_redis*"])


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_broken_daemon_fails_without_traceback_wherever_it_is(
    run_suite: Run, no_daemon: str, fresh_environment: pytest.MonkeyPatch, ci: str
) -> None:
    """Jenkins and Azure Pipelines do not set CI: where nothing is said, nothing is skipped."""
    fresh_environment.setenv("CI", ci)

    fails(run_suite(SOURCE), no_daemon)


def test_skipping_names_socket_and_remedy_whether_or_not_ci_is_set(
    run_suite: Run, no_daemon: str, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("CI", "true")
    result = run_suite(SOURCE, "-rs", SKIP)

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines([f"*{no_daemon}*", "*to fix:*start Docker*"])


@pytest.mark.parametrize("workers", quick([(), ("-n", "2")], ((),)), ids=["one", "two"])
def test_the_last_line_counts_what_was_skipped_for_it(
    run_suite: Run, no_daemon: str, workers: tuple[str, ...]
) -> None:
    result = run_suite(MORE, SKIP, *workers)

    result.assert_outcomes(passed=1, skipped=4)
    assert result.outlines[-1] == LAST_LINE


@pytest.mark.slow
def test_one_is_counted_in_the_singular_where_the_file_says_skip(
    run_suite: Run, no_daemon: str
) -> None:
    result = run_suite(SOURCE, pyproject='[tool.wflo-testkit]\nwithout_docker = "skip"')

    assert result.outlines[-1] == LAST_LINE.replace("3 tests", "1 test")


@pytest.mark.slow
def test_nothing_is_counted_where_nothing_was_skipped_for_it(run_suite: Run) -> None:
    result = run_suite("def test_a(redis_server): pass", SKIP, "-n", "1")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*no Docker*")


def test_require_wins(
    run_suite: Run, no_daemon: str, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("WFLO_TESTKIT_WITHOUT_DOCKER", "skip")

    fails(run_suite(SOURCE, "--wflo-require"), no_daemon)


def test_an_image_that_is_not_to_be_had_fails_whatever_is_set(run_suite: Run) -> None:
    """Only a daemon that does not answer may skip."""
    absent = "--wflo-redis-image=127.0.0.1:1/nothing:1"
    result = run_suite(SOURCE, SKIP, absent)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*127.0.0.1:1/nothing:1*"])
    result.stdout.no_fnmatch_line("*skipped*")
