"""All that a run does, it does on one daemon, whichever way that was named."""

from __future__ import annotations

import base64
import json
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.lifecycle.proxy import Proxy
from tests.runtime.contexts import make_context
from tests.services.asker import asker, run_of_its_own
from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.docker_session import DockerSession

CACHED = """
import os

def test(redis_client):
    assert redis_client.ping()
    assert "DOCKER_HOST" not in os.environ, "it is left as it was"
"""


@dataclass
class Daemons:
    """Two ways to the daemon, as two daemons of which one is chosen."""

    chosen: Proxy
    other: Proxy
    folder: Path


@pytest.fixture
def daemons(fresh_environment: pytest.MonkeyPatch) -> Iterator[Daemons]:
    """DOCKER_CONTEXT names one context, and `currentContext` another."""
    with tempfile.TemporaryDirectory(prefix="daemons-", dir="/tmp") as temp:
        folder = Path(temp)
        chosen, other = (Proxy(path=f"{folder}/{name}.sock") for name in ("chosen", "other"))
        make_context(folder, "chosen", chosen.address)
        make_context(folder, "other", other.address)
        (folder / "config.json").write_text('{"currentContext": "other"}')
        fresh_environment.setenv("DOCKER_CONFIG", str(folder))
        fresh_environment.setenv("DOCKER_CONTEXT", "chosen")
        yield Daemons(chosen, other, folder)
        chosen.cut()
        other.cut()


@pytest.mark.slow
def test_servers_and_ryuk_are_on_the_daemon_of_docker_context(
    run_suite: Run, daemons: Daemons
) -> None:
    result = run_suite(CACHED, "--wflo-require")

    result.assert_outcomes(passed=1)
    assert daemons.other.heads == []
    agents = b"\n".join(daemons.chosen.heads)
    assert b"tc-python/" in agents, "docker-py, by testcontainers' client"
    assert b"POST /containers/create?name=wflo-reaper" in agents, "the kit itself"
    assert b"Go-http-client" in agents, "Ryuk, through the socket that it was given"


@pytest.mark.parametrize(
    "options",
    [pytest.param((), id="alone"), pytest.param(("-n", "2"), id="workers", marks=pytest.mark.slow)],
)
def test_a_context_that_is_not_there_fails_the_tests_that_need_docker_and_no_others(
    run_suite: Run, daemons: Daemons, fresh_environment: pytest.MonkeyPatch, options: tuple[str]
) -> None:
    fresh_environment.setenv("DOCKER_CONTEXT", "gone")
    result = run_suite(CACHED + "\ndef test_plain():\n    pass\n", *options)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*there is no Docker context 'gone'*",
            "*chosen by environment: DOCKER_CONTEXT; there are: default, chosen, other*",
            f"*looked at: {daemons.folder}/contexts*",
            "*to fix:*DOCKER_CONTEXT*",
        ]
    )
    assert (daemons.chosen.heads, daemons.other.heads) == ([], [])


@pytest.mark.slow
def test_servers_of_others_need_no_context(
    run_suite: Run, daemons: Daemons, fresh_environment: pytest.MonkeyPatch
) -> None:
    with run_of_its_own() as broker:
        own = asker(broker, "redis").server
        fresh_environment.setenv("DOCKER_CONTEXT", "gone")
        result = run_suite(CACHED, f"--wflo-redis-url={own.url}")

    result.assert_outcomes(passed=1)


def test_connecting_logs_in_nowhere(
    run_suite: Run, daemons: Daemons, fresh_environment: pytest.MonkeyPatch
) -> None:
    entry = {"auth": base64.b64encode(b"name:secret").decode()}
    config = {"auths": {"127.0.0.1:9": entry}}  # nobody listens there
    fresh_environment.setenv("DOCKER_AUTH_CONFIG", json.dumps(config))
    result = run_suite(CACHED, "--wflo-require")

    result.assert_outcomes(passed=1)
    assert not [head for head in daemons.chosen.heads if b"/auth" in head.split(b"\r\n")[0]]


def test_a_run_that_is_handed_a_daemon_asks_for_no_other(daemons: Daemons) -> None:
    session = DockerSession(secrets.token_hex(4), find=lambda: Endpoint(daemons.other.address))
    try:
        assert session.client.client.ping()
        session.wait_for_reaper()
    finally:
        session.close()

    assert daemons.chosen.heads == []
    assert b"tc-python/" in b"\n".join(daemons.other.heads)
