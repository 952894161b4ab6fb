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


def advice(cause: object, *, is_external: bool | None = None) -> str:
    """Return what to do about an error that is about the right to make something; else "".

    is_external: whether the server is, None where that is not known.
    """
    if found := _EXTENSION.search(str(cause)):
        if is_external:
            return f'let the administrator of the server run CREATE EXTENSION "{found[1]}" there'
        return (
            f'set postgres_extensions = ["{found[1]}"] in [tool.wflo-testkit]: then the '
            "administrator of the kit's server makes it before the schema is applied"
        )
    if _ROLE.search(str(cause)):
        own = 'set postgres_role = "superuser" in [tool.wflo-testkit]'
        theirs = "let its administrator make them"
        either = f"to let the schema make them on the kit's, {own}; on an external one {theirs}"
        if is_external is not None:
            either = theirs if is_external else f"to let the schema make them, {own}"
        return f"roles belong to the whole server: {either}"
    return ""
