"""Processes of other packages that run containers: able to work here, and nothing left of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import containers, processes
from wflo_testkit import catalog

LABEL = "wflo-bench"
"""What benchmarks.suites.peer_docker puts on each of their containers, with the run's token."""
PLUGIN = "benchmarks.suites.peer_docker"


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Yield the variables of one run: which images, where; then remove what is left of it.

    A process that was killed because it took too long removes nothing by itself.
    """
    token = secrets.token_hex(4)
    local = {f"BENCH_{name.upper()}": entry.local for name, entry in catalog.entries().items()}
    try:
        yield local | {
            "BENCH_RUN": token,
            "PYTHONPATH": str(processes.ROOT),
            "RYUK_CONTAINER_IMAGE": catalog.entries()["ryuk"].local,
            "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
            "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
        }
    finally:
        with containers.client() as client:
            containers.remove_labelled(client, f"{LABEL}={token}")
