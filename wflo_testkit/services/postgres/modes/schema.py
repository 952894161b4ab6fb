"""Mode `schema`: a Postgres schema and a search_path of the test's own, in a shared database.

The search_path holds nothing else: with `public` behind it, a table that is missing here would
be found there, and "create if it does not exist" would find it too.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.mode_context import Mode, ModeContext
from wflo_testkit.services.postgres.sessions import (
    IN_SCHEMA,
    Where,
    end_all,
    prepared,
    roll_back_prepared,
)


class SchemaMode(Mode):
    name = "schema"
    brings_schema = False  # nor removes it: it goes with the Postgres schema

    def __init__(self, context: ModeContext) -> None:
        self._cluster = context.cluster
        self._context = context
        self._lock = threading.Lock()
        self._database = ""
        self._made: set[str] = set()

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Make a schema of the test's own."""
        database = self._shared()
        name = self._cluster.names.schema(request.id)
        owner = self._cluster.account(database).user
        with self._lock:
            self._made.add(name)
        # The name is made of lower-case letters, digits and underscores.
        self._cluster.admin.rows(_create(name, owner), database=database)
        return self._context.grant(self, database, schema=name)

    def release(self, lease: HeldLease, keep: bool) -> list[str]:
        """End what is open in the schema and drop it later; return the leftovers."""
        name, database = lease.data["schema"], lease.data["database"]
        left = self._context.end_sessions(lease.data)
        if keep:
            self._cluster.keep(database)
        else:
            self._context.pool.later(lambda: self._drop(name, database))
        return left

    def reset(self, lease: HeldLease, released: Sequence[int]) -> list[str]:
        """Make the schema anew; what goes into it is for the test's process to apply."""
        name, database = lease.data["schema"], lease.data["database"]
        admin, where = self._cluster.admin, Where(IN_SCHEMA, (name, name), database)
        left = end_all(admin, where, released)
        left += map(prepared, roll_back_prepared(admin, name, database))
        owner = self._cluster.account(database).user
        with admin.connection(database) as connection:
            connection.execute(
                f"SET LOCAL lock_timeout = '10s'; DROP SCHEMA IF EXISTS {name} CASCADE;"
                f" {_create(name, owner)}".encode()
            )
        return left

    def close(self) -> None:
        """Drop what is left in an external server's database."""
        for name in sorted(self._made):
            self._drop(name, self._database)

    def _drop(self, name: str, database: str) -> None:
        with self._cluster.admin.connection(database) as connection:
            connection.execute("SET lock_timeout = '10s'")
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())
        with self._lock:
            self._made.discard(name)

    def _shared(self) -> str:
        """Return the database of the schemas, made at the first call where that is allowed."""
        with self._lock:
            if not self._database:
                self._database = self._choose()
            return self._database

    def _choose(self) -> str:
        cluster = self._cluster
        if cluster.server.is_external:
            cluster.require("create schemas", self.name)
            return cluster.server.database
        return cluster.create(cluster.names.shared)


def _create(name: str, owner: str) -> str:
    return f'CREATE SCHEMA {name} AUTHORIZATION "{owner}"'
