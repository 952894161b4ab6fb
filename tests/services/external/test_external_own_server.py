"""A test that wants a whole server does not get somebody else's."""

from __future__ import annotations

import pytest

from tests.conftest import Run

SOURCE = """
import pytest

@pytest.mark.wflo(redis="own_server")
def test_changes_the_server(redis_client):
    redis_client.config_set("maxmemory", "10mb")
"""


def test_a_server_of_its_own_is_refused_before_anything_is_asked_of_the_external_one(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("WFLO_TESTKIT_REDIS_URL", "redis://127.0.0.1:1/0")

    result = run_suite(SOURCE, "-n", "0")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*a test asks for a redis server of its own, but redis is external",
            "*to fix:*leave the test out of this run, or unset the address",
        ]
    )
