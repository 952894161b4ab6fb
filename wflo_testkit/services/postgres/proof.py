"""Proof that nobody has committed a change to a database.

Every visible row is known by its place and by the transaction that wrote it (ctid, xmin): an
insert or update adds such a pair, a delete takes one away, and what was rolled back leaves
none (PostgreSQL manual, System Columns). So two equal sums over all pairs mean equal content,
at no more than the cost of reading it. Sequences do not roll back; they are set back.
"""

from __future__ import annotations

from dataclasses import dataclass

from wflo_testkit.services.postgres.admin import Admin

_OURS = 16384
"""First object id that is not the server's own (PostgreSQL source, access/transam.h)."""

# Catalogs that a role with all rights in its own database can change: name -> which rows.
_BY_OID = (
    "pg_class",
    "pg_proc",
    "pg_type",
    "pg_constraint",
    "pg_trigger",
    "pg_rewrite",
    "pg_attrdef",
    "pg_enum",
    "pg_policy",
    "pg_operator",
    "pg_opclass",
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_statistic_ext",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_foreign_server",
    "pg_publication",
)
_CATALOGS = {
    **dict.fromkeys(_BY_OID, f"oid >= {_OURS}"),
    "pg_attribute": f"attrelid >= {_OURS}",
    "pg_index": f"indexrelid >= {_OURS}",
    "pg_description": f"objoid >= {_OURS}",
    "pg_namespace": "nspname !~ '^pg_(toast_)?temp_'",
    "pg_extension": "true",
    "pg_default_acl": "true",
    "pg_largeobject_metadata": "true",
    "pg_db_role_setting": "setdatabase = (SELECT oid FROM pg_database"
    " WHERE datname = current_database())",
}
_RELATIONS = """SELECT c.relkind::text, format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'S') AND c.relpersistence <> 't'
        AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 2"""
_SUM = "count(*) || '/' || coalesce(sum(hashtextextended(ctid::text || xmin::text, 0)), 0)"


@dataclass(frozen=True, slots=True)
class Proof:
    """The state of a database at one moment, and the query that reads it."""

    database: str
    query: str
    state: dict[str, str]

    @classmethod
    def of(cls, admin: Admin, database: str) -> Proof:
        """Record the state of `database`."""
        relations = admin.rows(_RELATIONS, database=database)
        parts = [_catalog(name, rows) for name, rows in _CATALOGS.items()]
        parts += [_relation(kind, name) for kind, name in relations]
        query = " UNION ALL ".join(parts)
        return cls(database, query, dict(_pairs(admin, database, query)))

    def changed(self, admin: Admin) -> str:
        """Return what has changed since, as words for a message; "" when nothing has.

        Sequences are set back on the way.
        """
        import psycopg

        try:
            now = dict(_pairs(admin, self.database, self.query))
        except psycopg.Error as error:
            return str(error).splitlines()[0]  # a table is gone, for example
        different = [name for name, state in self.state.items() if now.get(name) != state]
        sequences = [name for name in different if name.startswith("sequence ")]
        for name in sequences:
            self._set_back(admin, name)
        return ", ".join(name for name in different if name not in sequences)

    def _set_back(self, admin: Admin, name: str) -> None:
        value, _slash, called = self.state[name].partition("/")
        sql = "SELECT setval(%s::regclass, %s, %s)"
        sequence = name.removeprefix("sequence ")
        admin.rows(sql, (sequence, int(value), called == "true"), database=self.database)


def _pairs(admin: Admin, database: str, query: str) -> list[tuple[str, str]]:
    return [(name, state) for name, state in admin.rows(query, database=database)]


def _catalog(name: str, rows: str) -> str:
    return f"SELECT 'catalog {name}', {_SUM} FROM pg_catalog.{name} WHERE {rows}"  # noqa: S608


def _relation(kind: str, name: str) -> str:
    literal = name.replace("'", "''")
    if kind == "S":
        return f"SELECT 'sequence {literal}', last_value || '/' || is_called FROM {name}"  # noqa: S608
    return f"SELECT 'table {literal}', {_SUM} FROM ONLY {name}"  # noqa: S608
