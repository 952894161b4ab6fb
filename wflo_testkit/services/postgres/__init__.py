"""Postgres: the table row from which its fixtures, settings and reports follow."""

from __future__ import annotations

from wflo_testkit.service import Input, LeaseKind, LogLines, Service, conveniences, lazy
from wflo_testkit.services.postgres.handle import (
    PostgresDatabase,
    build,
    database,
    empty_database,
    params,
    refused,
)
from wflo_testkit.services.postgres.probe import probe
from wflo_testkit.services.postgres.server import PostgresServer
from wflo_testkit.services.postgres.spec import MODES, OPTIONS, external, spec

__all__ = ["SERVICE", "PostgresDatabase", "PostgresServer"]

SERVICE = Service(
    name="postgres",
    spec=spec,
    probe=probe,
    warm=lazy(f"{__name__}.warm_image:recipe"),
    server=PostgresServer,
    external=external,
    isolation=lazy(f"{__name__}.isolation:PostgresIsolation"),
    leases=(
        LeaseKind(
            name="database",
            doc="A database that only this test sees, with the schema of `postgres_schema`.",
            handle=database,
            params=params,
            build=build,
            inputs=("schema",),
            refused=refused,
        ),
        LeaseKind(
            name="empty_database",
            doc="An empty database that only this test sees, for tests of migrations.",
            handle=empty_database,
            refused=refused,
        ),
    ),
    conveniences=(
        *conveniences(
            f"{__name__}.conveniences.sync",
            "database",
            "postgres",
            ("sqlalchemy", "psycopg"),
            engine="An SQLAlchemy Engine on the test's database.",
            session="An SQLAlchemy Session on the test's database.",
        ),
        *conveniences(
            f"{__name__}.conveniences.aio",
            "database",
            "postgres",
            ("sqlalchemy", "asyncpg"),
            takes_loop=True,
            async_engine="An SQLAlchemy AsyncEngine on the test's database.",
            async_session="An SQLAlchemy AsyncSession on the test's database.",
        ),
    ),
    inputs=(
        Input(
            name="schema",
            doc="What the database of a test contains: a MetaData, .sql files, an alembic.ini, "
            "a callable(url), or a list of these. None: nothing.",
        ),
    ),
    options=OPTIONS,
    start_seconds=0.6,
    modes=tuple(MODES),
    log=LogLines(
        # Of a session the line says `application@database`, see spec.
        kits="wflo-testkit@|FATAL:  the database system is starting up|received SIGHUP, reloading"
        "|@wflo_[0-9a-f]+_t_[0-9a-z]+ FATAL:  terminating connection",  # of a failed template
        lease="wflo_[0-9a-f]+_(?:[0-9]+|s_[0-9a-z]+)",
    ),
)
