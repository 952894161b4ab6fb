"""pytest's ScopeMismatch is answered by the lines to write."""

from __future__ import annotations

import pytest

from tests.conftest import Run

CONFTEST = """
import pytest
from wflo_testkit import scoped

@pytest.fixture(scope="session")
def app(postgres_database): pass

@pytest.fixture(scope="module")
def worker(request):
    request.getfixturevalue("redis_client")

too_wide = scoped("kafka_producer", scope="session")

@pytest.fixture
def narrow(): pass

@pytest.fixture(scope="session")
def own(narrow): pass
"""


@pytest.mark.slow
def test_a_scope_mismatch_shows_what_to_write(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    result = run_suite(
        """
        def test_lease(app): pass
        def test_convenience(worker): pass
        def test_of_the_users_own(own): pass
        def test_on_what_is_narrower(too_wide): pass
        """,
        "-p",
        "no:xdist",
        conftest=CONFTEST,
    )

    result.assert_outcomes(errors=4)
    first, second, third, fourth = result.stdout.str().split("ERROR at setup of")[1:]
    assert "ScopeMismatch: You tried to access the function scoped fixture" in first
    assert 'app_database = scoped("postgres_database", scope="session")' in first
    assert "let `app` take `app_database`" in first
    assert 'worker_database = scoped("redis_database", scope="module")' in second
    assert 'worker_client = scoped("redis_client", scope="module", on="worker_database")' in second
    assert "scoped(" not in third
    assert 'shared_topics = scoped("kafka_topics", scope="session")' in fourth
    assert 'give the scoped `kafka_producer` on="shared_topics"' in fourth
