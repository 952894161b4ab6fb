"""Without a daemon a suite still collects, and a test that needs one says what to do."""

from __future__ import annotations

import pytest

from tests.conftest import Run

SOURCE = """
def test_that_needs_nothing():
    pass

def test_that_needs_redis(redis_client):
    raise AssertionError("must not run")
"""


@pytest.fixture
def no_daemon(fresh_environment: pytest.MonkeyPatch) -> str:
    """A broken daemon: the address of a socket that does not exist."""
    address = "unix:///nowhere/docker.sock"
    fresh_environment.setenv("DOCKER_HOST", address)
    return address


def test_collection_works_with_a_broken_daemon(run_suite: Run, no_daemon: str) -> None:
    result = run_suite(SOURCE, "--collect-only", "-q")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_that_needs_redis*"])


def test_a_broken_daemon_skips_and_names_socket_and_remedy(run_suite: Run, no_daemon: str) -> None:
    result = run_suite(SOURCE, "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines([f"*{no_daemon}*", "*to fix:*start Docker*"])


@pytest.mark.parametrize("how", ["option", "CI"])
def test_a_broken_daemon_fails_without_traceback_where_docker_is_required(
    run_suite: Run, no_daemon: str, fresh_environment: pytest.MonkeyPatch, how: str
) -> None:
    if how == "CI":
        fresh_environment.setenv("CI", "true")
    result = run_suite(SOURCE, *(["--wflo-require"] if how == "option" else []))

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*{no_daemon}*", "*to fix:*start Docker*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*: *Error*")
