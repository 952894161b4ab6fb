"""The peers that run containers, in a virtual environment of their own under `.venv/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import processes
from benchmarks.bench import Bench
from wflo_testkit import catalog
from wflo_testkit.model import Spec

PACKAGES = (
    "pytest==9.2.0",
    "pytest-testcontainers==0.3.2",
    "pytest-databases==0.19.0",
    "psycopg[binary]==3.3.9",
    "sqlalchemy==2.1.9",
)
PEERS = ("pytest_testcontainers", "pytest_databases")
TIMEOUT = 120.0


def python(bench: Bench) -> str:
    """Return the interpreter that has the peers, installed at the first call; "" if it failed."""
    home = processes.ROOT / ".venv" / "peers"
    interpreter, stamp = home / "bin" / "python", home / "installed"
    if not stamp.exists() or stamp.read_text() != repr(PACKAGES):
        bench.say(f"installing {', '.join(PEERS)} in {home}")
        try:
            _run(sys.executable, "-m", "venv", "--clear", str(home))
            _run(str(interpreter), "-m", "pip", "install", "-q", *PACKAGES)
        except (subprocess.SubprocessError, OSError) as error:
            bench.say(f"peers could not be installed: {error}")
            return ""
        stamp.write_text(repr(PACKAGES))
    return str(interpreter)


def suite(interpreter: str, peer: str, image: str, tuned: Spec | None) -> Callable[[], float]:
    """Return what runs the suite of 100 tests on `peer` once and returns its seconds.

    image: what all of them run. tuned: the server's settings, None for the peer's own.
    """
    variables = {
        "BENCH_TABLES": "2",
        "BENCH_IMAGE": image,
        "PYTHONPATH": str(processes.ROOT),
        "RYUK_CONTAINER_IMAGE": catalog.entries()["ryuk"].local,
        "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
        "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
    }
    if tuned is not None:
        variables["BENCH_SERVER"] = json.dumps(_server(tuned))
    others = [each.replace("_", "-") for each in PEERS if each != peer]
    options = [word for name in others for word in ("-p", f"no:{name}")]
    source = Path(__file__).parent / "suites"
    files = {
        "conftest.py": (source / f"{peer}.py").read_text(),
        "test_rows.py": (source / "rows.py").read_text(),
    }

    def seconds() -> float:
        with processes.folder(files) as where:
            return processes.pytest(
                where,
                "-p",
                "benchmarks.suites.peer_docker",
                *options,
                kit=False,
                python=interpreter,
                variables=variables,
            ).wall

    return seconds


def _server(spec: Spec) -> dict[str, object]:
    """Return command, environment (but the account) and tmpfs of the kit's server."""
    own = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
    environment = [f"{k}={v}" for k, v in spec.environment.items() if k not in own]
    return {
        "command": list(spec.command),
        "environment": environment,
        "tmpfs": dict(spec.tmpfs),
    }


def _run(*command: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(command, check=True, timeout=TIMEOUT, capture_output=True, env=environment)
