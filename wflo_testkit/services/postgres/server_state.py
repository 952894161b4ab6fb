"""What a superuser's test can change around its database: found, undone, and told of.

Only where `postgres_role` is "superuser", on a server that one process has to itself.
"""

from __future__ import annotations

import contextlib
from typing import Any

from wflo_testkit.services.postgres.accounts import literal, quoted
from wflo_testkit.services.postgres.admin import Admin

# Catalog of the whole server -> (its key, what to call a row, which rows). Of the kit's databases
# only those count that are there at first, templates: the others come and go, and so do logins.
_CATALOGS = {
    "pg_authid": ("oid", "'role ' || rolname", "NOT {ours}"),
    "pg_auth_members": (
        "roleid, member",
        "format('membership of %s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid))",
        "member NOT IN (SELECT oid FROM pg_authid WHERE {ours})",
    ),
    "pg_db_role_setting": (
        "setdatabase, setrole",
        "concat_ws(' ', 'settings of', nullif(pg_get_userbyid(setrole), 'unknown (OID=0)'),"
        " (SELECT datname FROM pg_database WHERE oid = setdatabase))",
        "(setdatabase = 0 OR setdatabase IN (SELECT oid FROM pg_database WHERE {stays}))"
        " AND setrole NOT IN (SELECT oid FROM pg_authid WHERE {ours})",
    ),
    "pg_database": ("oid", "'database ' || datname", "{stays}"),
    "pg_tablespace": ("oid", "'tablespace ' || spcname", "true"),
    "pg_shdescription": (
        "objoid, classoid",
        "'comment on ' || CASE classoid WHEN 'pg_authid'::regclass THEN pg_get_userbyid(objoid)"
        " ELSE objoid::text END",
        "classoid <> 'pg_database'::regclass OR objoid IN"
        " (SELECT oid FROM pg_database WHERE {stays})",
    ),
    "pg_replication_slots": ("slot_name", "'replication slot ' || slot_name", "true"),
    "pg_file_settings": ("name", "'system setting ' || name", "sourcefile ~ 'auto.conf$'"),
}
# The server itself goes on writing these.
_RESTLESS = (
    "datfrozenxid, datminmxid, seqno, sourceline, applied, active, active_pid, xmin, catalog_xmin,"
    " restart_lsn, confirmed_flush_lsn, wal_status, safe_wal_size, inactive_since"
)
_ROWS = """SELECT '{catalog}', (SELECT jsonb_build_array({key}) FROM (SELECT r.*) k)::text, {name},
    to_jsonb(r) - '{{{restless}}}'::text[] FROM {catalog} r WHERE {which}"""

Found = dict[tuple[str, str], tuple[str, dict[str, Any]]]
"""(catalog, key) -> (what to call it, the row)."""


class ServerState:
    """The state of a server around its databases, as it was when the first test came, with what
    schemas have made since.

    stem: what the names of the kit's own databases begin with.
    """

    def __init__(self, admin: Admin, stem: str) -> None:
        self._admin = admin
        rows = admin.rows("SELECT datname FROM pg_database WHERE datname ~ %s", (f"^{stem}[^0-9]",))
        there = ", ".join(f"'{name}'" for (name,) in rows) or "''"
        stays = f"(NOT starts_with(datname, '{stem}') OR datname IN ({there}))"
        ours = f"starts_with(rolname, '{stem}')"
        self._query = " UNION ALL ".join(
            _ROWS.format(
                catalog=catalog,
                key=key,
                name=name,
                which=which.format(stays=stays, ours=ours),
                restless=_RESTLESS.replace(" ", ""),
            )
            for catalog, (key, name, which) in _CATALOGS.items()
        )
        self._before = self._look()

    def accept(self) -> None:
        """Take what is there now for the state to go back to: a schema has been applied."""
        self._before = self._look()

    def undo(self, database: str) -> list[str]:
        """Undo what the test in `database` has changed; return a sentence if there was anything.

        Its sessions must have ended.
        """
        now = self._look()
        if now == self._before:
            return []
        made = [key for key in now if key not in self._before]
        spoilt = [key for key, value in self._before.items() if now.get(key) != value]
        for key in made:
            with contextlib.suppress(Exception):  # what is still there is reported
                self._remove(key[0], now[key][1], database)
        for key in spoilt:
            with contextlib.suppress(Exception):
                self._put_back(key[0], now.get(key), self._before[key][1])
        names = [now[key][0] for key in made] + [self._before[key][0] for key in spoilt]
        after = self._look()
        left = [
            key
            for key in after.keys() | self._before.keys()
            if after.get(key) != self._before.get(key)
        ]
        undone = "which the kit has undone"
        if left:
            resisted = ", ".join((after.get(key) or self._before[key])[0] for key in left)
            undone = f"which the kit could not undo: {resisted}"
        return [f"the whole server was changed ({', '.join(dict.fromkeys(names))}), {undone}"]

    def _look(self) -> Found:
        return {
            (catalog, key): (name, row) for catalog, key, name, row in self._admin.rows(self._query)
        }

    def _remove(self, catalog: str, row: dict[str, Any], database: str) -> None:
        if catalog == "pg_authid":
            self._remove_role(quoted(row["rolname"]), database)
        elif catalog == "pg_database":
            self._admin.rows(f"DROP DATABASE {quoted(row['datname'])} WITH (FORCE)")
        elif catalog == "pg_tablespace":
            self._empty_tablespace(row["spcname"], database)
        elif catalog == "pg_replication_slots":
            self._admin.rows("SELECT pg_drop_replication_slot(%s)", (row["slot_name"],))
        elif catalog == "pg_file_settings":
            self._system(f"ALTER SYSTEM RESET {quoted(row['name'])}")
        else:
            self._delete(catalog, row)

    def _put_back(
        self, catalog: str, now: tuple[str, dict[str, Any]] | None, row: dict[str, Any]
    ) -> None:
        if catalog == "pg_file_settings":
            value = literal(row["setting"])
            self._system(f"ALTER SYSTEM SET {quoted(row['name'])} = {value}")
        elif now is not None and catalog in ("pg_authid", "pg_database"):
            self._update(catalog, row)
        elif catalog not in ("pg_database", "pg_tablespace", "pg_replication_slots"):
            if now is not None:
                self._delete(catalog, now[1])
            self._insert(catalog, row)

    def _remove_role(self, role: str, database: str) -> None:
        """Its objects in the test's database stay, for they may be kept for people."""
        for sql in (f"REASSIGN OWNED BY {role} TO CURRENT_USER", f"DROP OWNED BY {role}"):
            self._admin.rows(sql, database=database)
        self._admin.close_database(database)
        self._admin.rows(f"DROP ROLE {role}")

    def _empty_tablespace(self, name: str, database: str) -> None:
        for kind in ("TABLE", "INDEX", "MATERIALIZED VIEW"):
            moved = f"ALTER {kind} ALL IN TABLESPACE {quoted(name)} SET TABLESPACE pg_default"
            self._admin.rows(moved, database=database)
        self._admin.close_database(database)
        self._admin.rows(f"DROP TABLESPACE {quoted(name)}")

    def _system(self, statement: str) -> None:
        self._admin.rows(statement)
        self._admin.rows("SELECT pg_reload_conf()")

    def _delete(self, catalog: str, row: dict[str, Any]) -> None:
        keys = _CATALOGS[catalog][0].split(", ")
        where = " AND ".join(f"{key} = %s" for key in keys)
        self._admin.rows(f"DELETE FROM {catalog} WHERE {where}", [row[key] for key in keys])  # noqa: S608

    def _insert(self, catalog: str, row: dict[str, Any]) -> None:
        from psycopg.types.json import Jsonb

        self._admin.rows(
            f"INSERT INTO {catalog} SELECT * FROM jsonb_populate_record(NULL::{catalog}, %s)",  # noqa: S608
            (Jsonb(row),),
        )

    def _update(self, catalog: str, row: dict[str, Any]) -> None:
        """The key stays, and so do the columns that were not looked at."""
        from psycopg.types.json import Jsonb

        columns = [quoted(name) for name in row if name != "oid"]
        self._admin.rows(
            f"UPDATE {catalog} SET ({', '.join(columns)}) = (SELECT {', '.join(columns)}"  # noqa: S608
            f" FROM jsonb_populate_record(NULL::{catalog}, %s)) WHERE oid = %s",
            (Jsonb(row), row["oid"]),
        )
