"""The error of every kind of schema, and what to do where only an administrator may."""

from __future__ import annotations

import re

from wflo_testkit.errors import SchemaFailed

_EXTENSION = re.compile(r'permission denied to create extension "([^"]+)"')
# With FATAL it is the account of a connection that does not exist.
_ROLE = re.compile(r'permission denied to create role|(?<!FATAL:  )role "[^"]+" does not exist')


def failed(what: str, cause: object, *, looked_at: str = "", fix: str = "") -> SchemaFailed:
    """Return the error for a schema that cannot be used or applied."""
    where = "the value of the fixture postgres_schema (or <server name>_schema)"
    return SchemaFailed(
        what,
        cause=cause if isinstance(cause, BaseException) else str(cause),
        looked_at=f"{looked_at}; it is {where}" if looked_at else where,
        fix=advice(cause) or fix or "correct it there; the database is made anew for the next test",
    )


def advice(cause: object) -> str:
    """Return what to do about an error that is about the right to make something; else ""."""
    if found := _EXTENSION.search(str(cause)):
        return (
            f'set postgres_extensions = ["{found[1]}"] in [tool.wflo-testkit]: then the '
            "administrator of the kit's server makes it before the schema is applied"
        )
    if _ROLE.search(str(cause)):
        return (
            "roles belong to the whole server: to let the schema make them on the kit's, set "
            'postgres_role = "superuser" in [tool.wflo-testkit]; on an external one let its '
            "administrator make them"
        )
    return ""
