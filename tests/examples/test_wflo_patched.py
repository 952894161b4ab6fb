"""The wflo example is green where HTTP is mocked and sockets may reach 127.0.0.1 only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.test_wflo_mutations import EXAMPLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

COUNTERS = """
import socket, sys

import pytest
import pytest_socket
import responses

MET = set()

@pytest.fixture(scope="session", autouse=True)
def mocked():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield
        MET.update(("responses", call.request.url) for call in mock.calls)

allow = pytest_socket.socket_allow_hosts

def allow_and_note(allowed, **more):
    allow(allowed, **more)
    guarded = socket.socket.connect

    def connect(self, address):
        place = address[0] if isinstance(address, tuple) else "a folder"
        MET.add((innermost_of_the_kit(sys._getframe()), place))
        return guarded(self, address)

    if allowed:
        socket.socket.connect = connect

pytest_socket.socket_allow_hosts = allow_and_note

def innermost_of_the_kit(frame):
    while frame:
        package, _, file = frame.f_code.co_filename.rpartition("/wflo_testkit/")
        if package:
            return file
        frame = frame.f_back
    return "the tests"

def pytest_terminal_summary(terminalreporter):
    for who, what in MET:
        terminalreporter.line(f"met: {who}, {what}")
"""
"""Notes whatever meets responses, and what pytest-socket puts in place of a socket's `connect`."""

CLIENTS = {
    "the tests, 127.0.0.1",
    "services/postgres/conveniences/aio.py, 127.0.0.1",
    "services/redis/clients.py, 127.0.0.1",
}
"""Connections of a test, and of what it was given."""

PLANTED = """
import contextlib

from wflo_testkit.broker.client import BrokerClient

answer = BrokerClient._answer

def answer_with_calls(self, *given):
    import docker
    with contextlib.suppress(Exception):
        docker.from_env().ping()
    with contextlib.suppress(Exception):
        socket.socket(socket.AF_UNIX).connect(self._path)
    return answer(self, *given)

BrokerClient._answer = answer_with_calls
"""
"""What would ask Docker and the broker in a way that tests patch."""


def run(folder: Path, conftest: str, *options: str) -> tuple[str, set[str]]:
    """Return what the example's tests say, and what met the counters."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    (folder / "conftest.py").write_text(conftest)
    words = ("-q", "--wflo-require", "--allow-hosts=127.0.0.1", *options)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env={name: text for name, text in os.environ.items() if "PYTEST_" not in name},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    said = done.stdout + done.stderr
    return said, {line[5:] for line in said.splitlines() if line.startswith("met: ")}


def test_all_of_it_is_green_and_only_the_tests_clients_meet_what_is_patched(
    tmp_path: Path,
) -> None:
    said, met = run(tmp_path / "wflo", COUNTERS)

    assert "81 passed in" in said, said
    assert met == CLIENTS


def test_a_call_of_the_kits_that_met_them_would_be_counted(tmp_path: Path) -> None:
    one = "tests/integration/test_redis.py::TestRedisClient"
    said, met = run(tmp_path / "wflo", COUNTERS + PLANTED, "-W", "ignore::UserWarning", one)

    assert "3 passed in" in said, said
    assert "broker/client.py, a folder" in met
    assert any(each.startswith("responses, http+docker:") for each in met), met
