"""The error of every kind of schema."""

from __future__ import annotations

from wflo_testkit.errors import SchemaFailed
from wflo_testkit.services.postgres.advice import advice


def failed(what: str, cause: object, *, looked_at: str = "", fix: str = "") -> SchemaFailed:
    """Return the error for a schema that cannot be used or applied."""
    where = "the value of the fixture postgres_schema (or <server name>_schema)"
    return SchemaFailed(
        what,
        cause=cause if isinstance(cause, BaseException) else str(cause),
        looked_at=f"{looked_at}; it is {where}" if looked_at else where,
        fix=advice(cause) or fix or "correct it there; the database is made anew for the next test",
    )
