"""Roles that are on a server because a schema, or its administrator, has made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres.accounts import quoted
from wflo_testkit.services.postgres.admin import FIRST_OWN
from wflo_testkit.services.postgres.names import Names

if TYPE_CHECKING:
    from psycopg import Connection


# Whoever has the rights of a table's owner is above its policies, unless they are forced
# (PostgreSQL manual, Row Security Policies).
_FIND = f"""SELECT r.oid::int8, r.rolsuper, r.rolbypassrls, r.oid < {FIRST_OWN},
    pg_has_role(current_user, r.oid, %(may)s),
    ARRAY(SELECT c.oid::regclass::text FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND NOT c.relforcerowsecurity
        AND %(schema)s IN ('', c.relnamespace::regnamespace::text)
        AND pg_has_role(r.oid, c.relowner, 'USAGE') ORDER BY 1 LIMIT 3)
    FROM pg_roles r WHERE r.rolname = %(role)s"""  # noqa: S608 - a number


@dataclass(frozen=True, slots=True)
class Role:
    """A role that obeys row level security. may_be_set: whether the kit's account may become it."""

    name: str
    oid: int
    may_be_set: bool


def find(connection: Connection[Any], name: str, kits: Names, schema: str = "") -> Role | None:
    """Return the role of that name, if there is one.

    kits: what the kit calls its own. schema: the test's own; "" if it has the whole database.
    Raises IsolationFailed for a role that is above the policies of a table in there, and for one
    that no schema can have made.
    """
    if name == kits.role or name.startswith(kits.stem):
        raise _refused(name, "it is one of the kit's own, such as the owner of the database")
    may = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    given = {"role": name, "schema": schema, "may": may}
    found = connection.execute(_FIND.encode(), given).fetchone()
    if found is None:
        return None
    oid, is_superuser, bypasses, is_built_in, may_be_set, owned = found
    if is_superuser or bypasses:
        raise _refused(name, f"it {'is a superuser' if is_superuser else 'has BYPASSRLS'}")
    if is_built_in:
        raise _refused(name, "it came with Postgres: no schema has made it")
    if owned:
        raise _refused(name, f"it owns {', '.join(owned)}, and policies are not for owners")
    return Role(name, oid, may_be_set)


def becoming(role: Role | None, name: str, account: str, options: str) -> str:
    """Return libpq's `options` with which the `account` of an external server begins as a role.

    The kit makes no roles there. options: those that there are. Raises IsolationFailed, saying
    what to run.
    """
    cause = "there is no such role, and the kit makes none there"
    make = f"CREATE ROLE {quoted(name)} NOLOGIN; "
    if role is not None:
        cause, make = f"{account!r} may not become it", ""
    if role is None or not role.may_be_set:
        raise IsolationFailed(
            f"there is no login for the role {name!r} on an external server",
            cause=cause,
            looked_at=f"postgres_database.as_role({name!r})",
            fix=f"{make}GRANT {quoted(name)} TO {quoted(account)}; what it may do is for the "
            "schema to grant; or unset postgres_url, and the kit starts a server",
        )
    # Words are divided by spaces, unless a backslash stands before (PostgreSQL manual, libpq).
    word = "".join(f"\\{each}" if each.isspace() or each == "\\" else each for each in name)
    return f"{options} -crole={word}".strip()


def _refused(name: str, cause: str) -> IsolationFailed:
    return IsolationFailed(
        f"as the role {name!r} nobody sees what row level security lets through",
        cause=cause,
        looked_at=f"postgres_database.as_role({name!r})",
        fix="name the role that the application has when it serves a request; what an owner sees "
        "is at postgres_database.url",
    )
