"""The broker lets callers in again once whatever kept them out has passed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.conftest import Listening
from wflo_testkit.broker.client import BrokerClient

CALLER = """
import sys
from wflo_testkit.broker.client import BrokerClient

sys.stdin.readline()
print(BrokerClient(sys.argv[1], "gw0").summary())
"""

OUT_OF_DESCRIPTORS = f"""
import os, resource, select, socket, subprocess, sys, tempfile
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.process import Connections
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.wait import pause

broker = Broker({{}}, DockerSession("0123abcd"))
path = tempfile.mkdtemp() + "/broker.sock"
bound = socket.socket(socket.AF_UNIX)
bound.bind(path)
bound.listen()
connections = Connections(bound)
connections.serve(broker)
caller = subprocess.Popen(
    [sys.executable, "-c", {CALLER!r}, path],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
lowest_free = os.dup(0)
os.close(lowest_free)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
caller.stdin.write("\\n")
caller.stdin.flush()
waiting, _, _ = select.select([bound], [], [], 20)
pause(0.5)  # accept has failed by now
still_waiting, _, _ = select.select([bound], [], [], 0)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    print(bool(still_waiting), caller.communicate(timeout=10)[0].strip())
finally:
    caller.kill()
    connections.close()
    broker.close()
"""


def test_after_a_time_without_descriptors(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_DESCRIPTORS],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == "True []", done.stderr


def test_after_a_fake_machine_had_no_thread_to_give(
    listener: Listening, connect: Callable[[str], BrokerClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    refused: list[str] = []

    def refuse_twice(thread: threading.Thread) -> None:
        if thread.name == "wflo-broker-client" and len(refused) < 2:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_twice)
    monkeypatch.setattr("wflo_testkit.broker.client.ANSWER_TIMEOUT", 10)

    assert connect("gw0").summary() == []
    assert len(refused) == 2


def test_its_end_ends_the_wait_for_callers(listener: Listening) -> None:
    [accepting] = [t for t in threading.enumerate() if t.name == "wflo-broker"]
    listener.connections.close()
    accepting.join(10)

    assert not accepting.is_alive()
