"""A service without isolation and leases is a container of one's own, and nothing else of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.services.third_party import installed_as

WEB = '''
"""A container of one's own, in one file: a server that tests use as a whole."""

import socket

from wflo_testkit import Service, Spec


def spec(name, settings):
    command = ("redis-server", "--save", "", "--enable-debug-command", "yes")
    image = settings["image"] or "redis:8.10.1"
    return Spec(service="store", name=name, image=image, command=command, ports={"main": 6379})


def probe(server):
    with socket.create_connection((server.host, server.port), timeout=1) as connection:
        connection.sendall(b"PING\\r\\n")
        if not connection.recv(7).startswith(b"+PONG"):
            raise ConnectionError("not yet")


SERVICE = Service(name="store", spec=spec, probe=probe)
'''

SUITE = """
import socket

import pytest

def ask(server, words):
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(words.encode() + b"\\r\\n")
        return connection.makefile("rb").readline().decode().strip()

@pytest.mark.parametrize("n", range(2))
def test_one_for_all(store_server, n):
    assert ask(store_server, "INCR runs").startswith(":")
    assert store_server.service == "store"

def test_logs(store_server):
    assert "Ready to accept connections" in store_server.logs()

def test_variables(wflo_env, store_server):
    assert wflo_env == {"STORE_PORT": str(store_server.port)}
"""
PYPROJECT = '[tool.wflo-testkit.env]\nSTORE_PORT = "{store.port}"\n'


@pytest.fixture(autouse=True)
def site(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> Path:
    return installed_as("store", WEB, pytester, fresh_environment)


@pytest.mark.slow
def test_its_server_is_a_fixture_with_logs_variables_and_a_marker(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(
        SUITE,
        "-n",
        "2",
        "-m",
        "store",
        "--strict-markers",
        "--wflo-report=report.json",
        pyproject=PYPROJECT,
    )
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["store  ready in * s, * (*)"])
    result.stdout.no_fnmatch_line("*leases*")
    [row] = json.loads((pytester.path / "report.json").read_text())["services"]
    assert (row["name"], row["leases"], row["figures"]) == ("store", None, {})


@pytest.mark.slow
def test_a_failed_test_shows_its_log(run_suite: Run) -> None:
    result = run_suite(
        """
        def test_before(store_server): pass

        def test_fails(store_server):
            import socket
            with socket.create_connection((store_server.host, store_server.port)) as connection:
                connection.sendall(b"DEBUG LOG found-in-the-report\\r\\n")
                connection.recv(1)
            assert False
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*store log since the test began*", "*found-in-the-report*"])


@pytest.mark.slow
def test_it_is_declared_under_another_name_started_ahead_and_reused(
    run_suite: Run, own_kept_servers: None
) -> None:
    source = """
        def test(gateway_server, store_server):
            assert gateway_server.container_id != store_server.container_id
        """
    declared = '[tool.wflo-testkit.servers.gateway]\nservice = "store"\n'
    for how in ("kept for reuse", "reused, found"):
        result = run_suite(source, pyproject=declared)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines_random([f"store *{how}*", f"gateway *{how}*"])


@pytest.mark.slow
def test_a_test_may_have_one_to_itself(run_suite: Run) -> None:
    result = run_suite(
        """
        import pytest

        @pytest.mark.wflo(store="own_server")
        def test_marked(store_server, request):
            request.config.cache.set("id", store_server.container_id)

        def test_plain(store_server, request):
            assert request.config.cache.get("id", "") not in ("", store_server.container_id)
        """
    )
    result.assert_outcomes(passed=2)


@pytest.mark.slow
def test_an_address_for_it_is_an_error_that_says_what_is_missing(run_suite: Run) -> None:
    result = run_suite(
        "def test(store_server): pass",
        conftest="""
        import dataclasses

        def pytest_wflo_spec(spec):
            return dataclasses.replace(spec, external="127.0.0.1:1")
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*store cannot be external*", "*has no `external`*", "*pytest_wflo_spec*", "*to fix:*"]
    )


@pytest.mark.slow
def test_the_command_line_takes_it_as_any_other(pytester: pytest.Pytester) -> None:
    def run(*words: str) -> str:
        command = [sys.executable, "-m", "wflo_testkit.cli.main", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=pytester.path, env=os.environ, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    assert "python" in run("doctor")
    assert "there are no warm images of 'store'" in run("images", "warm", "store")
    run("ps")
