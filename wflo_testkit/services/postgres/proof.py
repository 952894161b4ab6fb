"""Proof that nobody has committed a change to a database.

Every visible row is known by its place and by the transaction that wrote it (ctid, xmin): an
insert or update adds such a pair, a delete takes one away, and what was rolled back leaves
none (PostgreSQL manual, System Columns). So two equal sums over all pairs mean equal content,
at no more than the cost of reading it. Sequences do not roll back; they are set back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from wflo_testkit.services.postgres.accounts import literal
from wflo_testkit.services.postgres.admin import FIRST_OWN, Row

Ask = Callable[[str], list[Row]]
"""Runs one statement in the database and returns its rows."""

# Catalogs that a role with all rights in its own database can change: name -> which rows.
_BY_OID = (
    *("pg_class", "pg_proc", "pg_type", "pg_constraint", "pg_trigger", "pg_rewrite", "pg_attrdef"),
    *("pg_enum", "pg_policy", "pg_operator", "pg_opclass", "pg_cast", "pg_collation"),
    *("pg_conversion", "pg_statistic_ext", "pg_ts_config", "pg_ts_dict", "pg_foreign_server"),
    "pg_publication",
)
_CATALOGS = {
    **dict.fromkeys(_BY_OID, f"oid >= {FIRST_OWN}"),
    "pg_attribute": f"attrelid >= {FIRST_OWN}",
    "pg_index": f"indexrelid >= {FIRST_OWN}",
    "pg_description": f"objoid >= {FIRST_OWN}",
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
    """The state of a database at one moment, part by part, and the queries that read it."""

    queries: dict[str, str]
    state: dict[str, str]

    @classmethod
    def of(cls, ask: Ask) -> Proof:
        """Record the state of a database."""
        queries = {f"catalog {name}": _catalog(name, rows) for name, rows in _CATALOGS.items()}
        queries |= {_name(kind, name): _relation(kind, name) for kind, name in ask(_RELATIONS)}
        return cls(queries, dict(_pairs(ask, queries.values())))

    def changed(self, ask: Ask, only: Collection[str] = ()) -> str:
        """Return what has changed since, as words for a message; "" when nothing has.

        Sequences are set back on the way. only: the parts to look at, such as "table public.t".
        """
        import psycopg

        wanted = {name: self.queries[name] for name in only or self.queries}
        try:
            now = dict(_pairs(ask, wanted.values()))
        except psycopg.Error as error:
            return str(error).splitlines()[0]  # a table is gone, for example
        different = [name for name in wanted if now.get(name) != self.state[name]]
        sequences = [name for name in different if name.startswith("sequence ")]
        for name in sequences:
            self._set_back(ask, name)
        return ", ".join(name for name in different if name not in sequences)

    def _set_back(self, ask: Ask, name: str) -> None:
        value, _slash, called = self.state[name].partition("/")
        sequence = literal(name.removeprefix("sequence "))
        ask(f"SELECT setval({sequence}, {value}, {called})")


def _pairs(ask: Ask, queries: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, state) for name, state in ask(" UNION ALL ".join(queries))]


def _name(kind: str, name: str) -> str:
    return f"{'sequence' if kind == 'S' else 'table'} {name}"


def _catalog(name: str, rows: str) -> str:
    return f"SELECT 'catalog {name}', {_SUM} FROM pg_catalog.{name} WHERE {rows}"  # noqa: S608


def _relation(kind: str, name: str) -> str:
    told = literal(_name(kind, name))
    if kind == "S":
        return f"SELECT {told}, last_value || '/' || is_called FROM {name}"  # noqa: S608
    return f"SELECT {told}, {_SUM} FROM ONLY {name}"  # noqa: S608
