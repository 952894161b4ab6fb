"""Drops what other runs have left on a server that outlived them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress

from wflo_testkit.dated import without_session
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.names import MADE
from wflo_testkit.services.postgres.server import PostgresServer
from wflo_testkit.services.postgres.sessions import IN_SCHEMA, Where, end_sessions
from wflo_testkit.wait import WaitTimeout, wait_until

_DATABASES = "SELECT datname FROM pg_database WHERE starts_with(datname, 'wflo_')"
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'wflo_')"
_ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
# Who may not see what other accounts do may see these (PostgreSQL manual, pg_stat_activity).
_SESSIONS = """SELECT word FROM pg_stat_activity,
    unnest(ARRAY[application_name, datname::text, usename::text]) word
    WHERE starts_with(word, 'wflo_')"""
_MAKERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'active' AND starts_with(query, %s)"""
_END_TIMEOUT = 10.0
"""Seconds for a killed run's last CREATE DATABASE to come to its end."""


def abandoned(server: PostgresServer) -> set[str]:
    """Return the dated runs that have databases or schemas there, and no session."""
    with closing(Admin(server)) as admin:
        names = [*_column(admin, _DATABASES), *_column(admin, _SCHEMAS)]
        return without_session(MADE.runs(names), _column(admin, _SESSIONS))


def sweep(server: PostgresServer, runs: Sequence[str]) -> Iterator[None]:
    """Drop the databases, schemas and role of `runs`, one between two yields.

    Schemas only in an external server's own database: on the kit's they are in databases of the
    run. What resists does not save the rest. Raises IsolationFailed.
    """
    with closing(Admin(server)) as admin:
        for run in runs:
            cluster = Cluster(server, run, admin)
            _end_makers(admin, f'CREATE DATABASE "{cluster.names.stem}')
            yield from _each(admin, _DATABASES, run, cluster.databases.drop)
            if server.is_external:
                yield from _each(admin, _SCHEMAS, run, lambda name: _drop_schema(admin, name))
            elif admin.rows(_ROLE, (cluster.names.role,)):
                cluster.drop_role()


def _names(admin: Admin, listed: str, run: str) -> list[str]:
    return [name for name in _column(admin, listed) if MADE.is_of(run, name)]


def _column(admin: Admin, sql: str) -> list[str]:
    return [str(value) for (value,) in admin.rows(sql)]


def _end_makers(admin: Admin, statement: str) -> None:
    """End what still makes databases for a run whose client is gone: it would come too late."""
    with suppress(WaitTimeout):
        wait_until(
            lambda: not admin.rows(_MAKERS, (statement,)), timeout=_END_TIMEOUT, poll=0.05, catch=()
        )


def _each(admin: Admin, listed: str, run: str, drop: Callable[[str], None]) -> Iterator[None]:
    """Drop what `run` has on a list; what another run is dropping just now may be refused."""
    import psycopg

    cause: Exception | None = None
    for name in _names(admin, listed, run):
        try:
            drop(name)
        except (psycopg.Error, IsolationFailed) as error:
            cause = error
        yield
    if cause is not None and (left := _names(admin, listed, run)):
        raise IsolationFailed(
            f"{len(left)} things of run {run} are left on Postgres: {left[0]}", cause=cause
        )


def _drop_schema(admin: Admin, name: str) -> None:
    end_sessions(admin, Where(IN_SCHEMA, (name, name)))
    admin.rows(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
