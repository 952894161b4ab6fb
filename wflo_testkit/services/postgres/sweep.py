"""Drops what runs that are over have left on a server that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wflo_testkit.model import Server
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.server import PostgresServer

_DATABASES = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Drop the databases and roles of `runs`, one between two yields. Raises IsolationFailed."""
    assert isinstance(server, PostgresServer)
    for run in runs:
        cluster = Cluster(server, run)
        try:
            for (name,) in cluster.admin.rows(_DATABASES, (cluster.names.stem,)):
                cluster.drop_any(name)
                yield
            cluster.drop_role()
        finally:
            cluster.admin.close()
