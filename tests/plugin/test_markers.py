"""Tests are marked by the services that they use, and choose how they are isolated."""

from __future__ import annotations

import pytest

from tests.conftest import Run

SOURCE = """
import pytest

def test_plain():
    pass

def test_stored(redis_database):
    pass

@pytest.fixture
def cache(redis_client):
    return redis_client

def test_cached(cache):
    pass
"""


def test_a_test_carries_the_marker_of_each_service_it_uses(run_suite: Run) -> None:
    result = run_suite(SOURCE, "--strict-markers", "--collect-only", "-q", "-m", "redis")

    result.stdout.fnmatch_lines(["*test_stored", "*test_cached", "*2/3 tests*"])


def test_markers_are_described(run_suite: Run) -> None:
    result = run_suite("", "--markers")

    result.stdout.fnmatch_lines(["*pytest.mark.redis:*", "*pytest.mark.wflo(*"])


@pytest.mark.slow
def test_an_unknown_mode_is_refused_with_the_known_ones(run_suite: Run) -> None:
    result = run_suite(
        """
        import pytest

        @pytest.mark.wflo(postgres="rolback")
        def test(postgres_session):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*unknown mode of postgres: 'rolback'*", "*test_it.py::test*", "*write 'rollback'*"]
    )


@pytest.mark.slow
def test_an_unknown_server_in_the_marker_is_refused(run_suite: Run) -> None:
    result = run_suite(
        """
        import pytest

        @pytest.mark.wflo(postgers="rollback")
        def test(postgres_session):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown server: 'postgers'*", "*write 'postgres'*"])


def test_own_server_gives_one_test_a_server_that_is_gone_afterwards(run_suite: Run) -> None:
    result = run_suite(
        """
        import docker, pytest
        seen = {}

        def test_shared(redis_server, redis_client):
            seen["shared"] = redis_server.container_id

        @pytest.mark.wflo(redis="own_server")
        def test_alone(redis_database, redis_client):
            [one] = [c for c in _containers() if c not in seen.values()]
            seen["own"] = one
            redis_client.config_set("maxmemory", "10mb")

        def test_afterwards(redis_client):
            assert seen["own"] not in _containers()
            assert redis_client.info("memory")["maxmemory"] == 0

        def _containers():
            client = docker.from_env()
            try:
                run = client.containers.get(seen["shared"]).labels["dev.wflo.testkit.run"]
                label = f"dev.wflo.testkit.run={run}"
                return [c["Id"] for c in client.api.containers(filters={"label": label})]
            finally:
                client.close()
        """
    )
    result.assert_outcomes(passed=3)
