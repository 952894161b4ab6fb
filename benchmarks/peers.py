"""Other packages for tests with databases, in a virtual environment of their own under `.venv/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from benchmarks import measured, others, processes
from benchmarks.bench import Bench
from wflo_testkit.model import Server, Spec

PACKAGES = (
    "pytest==9.2.0",
    "pytest-testcontainers==0.3.2",
    "pytest-databases==0.19.0",
    "pytest-postgresql==10.0.0",
    "psycopg[binary]==3.3.9",
    "sqlalchemy==2.1.9",
)
WITH_CONTAINERS = ("pytest-testcontainers", "pytest-databases")
WITHOUT = "pytest-postgresql"
_ENTRY_POINTS = {
    "pytest-testcontainers": "testcontainers",
    "pytest-databases": "pytest_databases",
    "pytest-postgresql": "pytest_postgresql",
}
"""How pytest knows them."""
TIMEOUT = 120.0


def python(bench: Bench) -> str:
    """Return the interpreter that has the peers, installed at the first call; "" if it failed."""
    home = processes.ROOT / ".venv" / "peers"
    interpreter, stamp = home / "bin" / "python", home / "installed"
    if not stamp.exists() or stamp.read_text() != repr(PACKAGES):
        bench.say(f"installing {', '.join((*WITH_CONTAINERS, WITHOUT))} in {home}")
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
    variables = {"BENCH_IMAGE": image}
    if tuned is not None:
        variables["BENCH_SERVER"] = json.dumps(_server(tuned))
    return _runner(interpreter, peer, variables, "-p", others.PLUGIN)


def on_a_server(interpreter: str, server: Server) -> Callable[[], float]:
    """Return what runs the suite on pytest-postgresql and a running server."""
    account = {"host": server.host, "port": server.port}
    account |= {"user": server.username, "password": server.password}
    return _runner(interpreter, WITHOUT, {"BENCH_ACCOUNT": json.dumps(account)})


def _runner(
    interpreter: str, peer: str, variables: Mapping[str, str], *options: str
) -> Callable[[], float]:
    unwanted = (name for package, name in _ENTRY_POINTS.items() if package != peer)
    without = [word for name in unwanted for word in ("-p", f"no:{name}")]
    files = {
        "conftest.py": measured.source(peer.replace("-", "_")),
        "test_rows.py": measured.source("rows"),
    }

    def seconds() -> float:
        with processes.folder(files) as where, others.environment() as given:
            return processes.pytest(
                where,
                *without,
                *options,
                kit=False,
                python=interpreter,
                variables={**given, "BENCH_TABLES": "2", **variables},
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
