"""Drops what runs that are over have left on a server that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from wflo_testkit.model import Server
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.server import PostgresServer
from wflo_testkit.services.postgres.sessions import IN_SCHEMA, Where, settle
from wflo_testkit.wait import WaitTimeout, wait_until

_DATABASES = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)"
_ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
_MAKERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'active' AND starts_with(query, %s)"""
_PATIENCE = 10.0
"""Seconds for a killed run's last CREATE DATABASE to come to its end."""


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Drop the databases, schemas and role of `runs`, one between two yields.

    Schemas only in an external server's own database: on the kit's they are in databases of the
    run. Raises IsolationFailed.
    """
    assert isinstance(server, PostgresServer)
    for run in runs:
        cluster = Cluster(server, run)
        try:
            _end_makers(cluster.admin, f'CREATE DATABASE "{cluster.names.stem}')
            for (name,) in cluster.admin.rows(_DATABASES, (cluster.names.stem,)):
                cluster.databases.drop(name)
                yield
            if server.is_external:
                yield from _drop_schemas(cluster.admin, cluster.names.stem)
            if cluster.admin.rows(_ROLE, (cluster.names.role,)):
                cluster.drop_role()
        finally:
            cluster.admin.close()


def _end_makers(admin: Admin, statement: str) -> None:
    """End what still makes databases for a run whose client is gone: it would come too late."""
    with suppress(WaitTimeout):
        wait_until(
            lambda: not admin.rows(_MAKERS, (statement,)), timeout=_PATIENCE, poll=0.05, catch=()
        )


def _drop_schemas(admin: Admin, stem: str) -> Iterator[None]:
    for (name,) in admin.rows(_SCHEMAS, (stem,)):
        settle(admin, Where(IN_SCHEMA, (name, name)))
        admin.rows(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        yield
