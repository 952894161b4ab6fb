"""What to do where Postgres refuses a schema, or a test, what only an administrator may do."""

from __future__ import annotations

import re

_EXTENSION = re.compile(r'permission denied to create extension "([^"]+)"')
# With FATAL it is the account of a connection that does not exist.
_ROLE = re.compile(r'permission denied to create role|(?<!FATAL:  )role "[^"]+" does not exist')


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
