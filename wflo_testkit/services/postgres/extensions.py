"""Extensions that the administrator makes: most that are no part of Postgres may be made by no one
else (PostgreSQL manual, CREATE EXTENSION: "trusted")."""

from __future__ import annotations

from collections.abc import Sequence

from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.services.postgres.accounts import quoted
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.server import PostgresServer

SCHEMA = "wflo_extensions"
"""Where they are in the database of mode `schema`, whose tests have no `public` in their path."""

_THERE = "SELECT extname FROM pg_extension"


def statements(names: Sequence[str]) -> list[str]:
    """Return the SQL that makes the extensions, and what they need, where they are not yet."""
    return [f"CREATE EXTENSION IF NOT EXISTS {quoted(name)} CASCADE" for name in names]


def create(
    admin: Admin, server: PostgresServer, database: str, names: Sequence[str], schema: str = ""
) -> None:
    """Make the extensions in `database`, in a schema of that name if one is given.

    Raises ServiceUnavailable where the account may not, IsolationFailed for any other reason.
    """
    import psycopg

    with admin.connection(database) as connection:
        if schema:
            connection.execute(
                f"CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO PUBLIC;"
                f" SET search_path = {schema}".encode()
            )
        for name, statement in zip(names, statements(names), strict=True):
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege as error:
                raise _denied(server, name, error) from None
            except psycopg.Error as error:
                raise IsolationFailed(
                    f"the extension {name!r} could not be made on {server.name}",
                    cause=str(error).strip(),
                    looked_at=f"{server.host}:{server.port}; setting postgres_extensions",
                    fix="set postgres_image to an image that has it, such as "
                    "pgvector/pgvector:pg17; one that must be preloaded needs "
                    'postgres_arguments = {shared_preload_libraries = "..."}',
                ) from None
    # About to be copied; and no other work is to have that search_path.
    admin.close_database(database)


def require(admin: Admin, server: PostgresServer, names: Sequence[str]) -> None:
    """Check that the server's own database has the extensions. Raises ServiceUnavailable.

    For tests in schemas of an external server's database, where the kit leaves nothing behind.
    """
    there = {name for (name,) in admin.rows(_THERE)} if names else set()
    for name in names:
        if name not in there:
            raise _denied(server, name, f"the database {server.database!r} does not have it")


def _denied(server: PostgresServer, name: str, cause: object) -> ServiceUnavailable:
    where = f"in {quoted(server.database)}, and in template1 for databases of tests,"
    return ServiceUnavailable(
        f"the extension {name!r} cannot be had on {server.name}",
        cause=str(cause).strip(),
        looked_at=f"{server.host}:{server.port} as {server.user!r}; setting postgres_extensions",
        fix=f"let its administrator run CREATE EXTENSION {quoted(name)} {where} "
        "or let the kit start its own server",
    )
