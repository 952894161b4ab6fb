"""What a template holds: enough to put its rows back, and to tell whether they are back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wflo_testkit.services.postgres.admin import FIRST_OWN
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection

LARGEST = 8 * 2**20
"""Bytes of a table beyond which its rows are not kept in memory, all others included."""

# Triggers and rules that fire for a replica, too, would act on what is put back.
_RELATIONS = f"""SELECT c.oid::int8, c.relkind::text, format('%I.%I', n.nspname, c.relname),
        pg_relation_size(c.oid), pg_total_relation_size(c.oid),
        c.relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled IN ('A', 'R'))
        AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND ev_enabled IN ('A', 'R'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't' AND c.oid >= {FIRST_OWN}"""  # noqa: S608
FLUSH = "SELECT pg_stat_force_next_flush()"
"""Hands in the counts of this session when it comes to rest; else it does so once a second. A look
at a sequence is counted, too, and the next reading is to have it behind it."""
_CONTENT = "coalesce(md5(string_agg((wflo_row.*)::text, chr(10) ORDER BY ctid)), '')"
TOLD = {"relpages": "int", "reltuples": "real", "relallvisible": "int"}
"""What VACUUM and ANALYZE tell the planner of a relation: columns of pg_class, and their types."""
_TOLD_SINCE_18 = {"relallfrozen": "int"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table's rows of the template's are, in one database.

    last: where the last of them lies (ctid), "" if there is none.
    writers: known by which transactions wrote them, and how many each. Of what one has written and
        committed no more than that can ever be seen, and nothing else as the same row: so while
        these are equal, so are the rows. To look takes a tenth of what their content takes.
    """

    last: str = ""
    writers: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the template. rows: what to put back; content: how it is known.

    size: bytes, with indexes and all. place: as it is in a clone that nobody has used.
    """

    name: str
    size: int
    rows: bytes = b""
    content: str = ""
    place: Place = Place()

    @property
    def look(self) -> str:
        """SQL for `content`, which changes with the rows and their order.

        For a table that is to be empty it says no more than whether it is.
        """
        if self.rows:
            return _content(self.name)
        return f"CASE WHEN EXISTS (SELECT FROM ONLY {self.name}) THEN 'rows' ELSE '' END"

    def quick_look(self, place: Place) -> str:
        """SQL for `content`, or what it is not, where these rows are not all there is."""
        if not self.rows:
            return self.look
        is_same = f"{_writers(self.name)} = '{place.writers}'"
        return f"CASE WHEN {is_same} THEN '{self.content}' ELSE 'others' END"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence of the template; its next value follows from these two."""

    name: str
    last_value: int
    is_called: bool

    @property
    def content(self) -> str:
        return f"{self.last_value}/{self.is_called:d}"

    @property
    def look(self) -> str:
        """SQL for `content`."""
        return f"(SELECT concat(last_value, '/', is_called::int) FROM {self.name})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The template's tables and sequences by object id, which a clone has in common with it.

    told: the columns that the server has of TOLD; planner: relation -> what they say.
    """

    tables: Mapping[int, Table]
    sequences: Mapping[int, Sequence]
    told: Mapping[str, str]
    planner: Mapping[int, tuple[float, ...]]

    @classmethod
    def of(cls, link: WatchingConnection) -> Blueprint:
        """Draw it from a clone that nobody has used yet. Raises psycopg.Error."""
        told = TOLD | (_TOLD_SINCE_18 if link.version >= 180000 else {})
        relations, planner = link.ask(_RELATIONS, _planner(told))
        return cls(
            _tables(link, relations),
            _sequences(link, {oid: name for oid, kind, name, *_ in relations if kind == "S"}),
            told,
            {oid: tuple(values) for oid, *values in planner},
        )

    def find(self, relations: Collection[int]) -> dict[int, Table | Sequence]:
        """Return what is known of those that can be put back."""
        known: Mapping[int, Table | Sequence] = {**self.tables, **self.sequences}
        return {oid: known[oid] for oid in relations if oid in known}


def state(link: WatchingConnection, looks: Mapping[int, str]) -> dict[int, str]:
    """Return what relations hold, in one round trip. looks: object id -> SQL for one text."""
    if not looks:
        return {}
    rows, _flush = link.ask(query(looks), FLUSH)
    return dict(rows)


def query(looks: Mapping[int, str]) -> str:
    """Return one statement for all looks: each is a row, after its object id."""
    return "VALUES " + ", ".join(f"({oid}::int8, {look})" for oid, look in looks.items())


def places(link: WatchingConnection, names: Mapping[int, str]) -> dict[int, Place]:
    """Return where the rows of tables are, in one round trip. names: by object id."""
    looks = {
        oid: f"concat_ws(' ', (SELECT max(ctid) FROM ONLY {name}), {_writers(name)})"  # noqa: S608
        for oid, name in names.items()
    }
    return {oid: Place(*found.split()) for oid, found in state(link, looks).items()}


def _writers(name: str) -> str:
    return f"""(SELECT md5(string_agg(concat_ws('/', xid, n), ' ' ORDER BY xid))
        FROM (SELECT xmin::text, count(*) FROM ONLY {name} GROUP BY xmin) each(xid, n))"""  # noqa: S608


def _planner(told: Mapping[str, str]) -> str:
    return f"""SELECT oid::int8, {", ".join(told)} FROM pg_class
        WHERE relkind IN ('r', 'i', 't') AND oid >= {FIRST_OWN}"""  # noqa: S608 - constants only


def _content(name: str) -> str:
    return f"(SELECT {_CONTENT} FROM ONLY {name} wflo_row)"  # noqa: S608 - quoted


def _tables(
    link: WatchingConnection, relations: Collection[tuple[int, str, str, int, int, bool]]
) -> dict[int, Table]:
    found: dict[int, Table] = {}
    room = LARGEST
    restorable = [(oid, name, own, size) for oid, _, name, own, size, can in relations if can]
    filled = {oid: name for oid, name, own, _size in restorable if 0 < own <= LARGEST}
    content = state(link, {oid: _content(name) for oid, name in filled.items()})
    where = places(link, filled)
    for oid, name, own, size in restorable:
        if not own:
            found[oid] = Table(name, size)
        elif oid in filled and own <= room:
            room -= own
            found[oid] = Table(name, size, link.copy_out(name), content[oid], where[oid])
    return found


def _sequences(link: WatchingConnection, names: Mapping[int, str]) -> dict[int, Sequence]:
    if not names:
        return {}
    each = (f"SELECT {oid}, last_value, is_called FROM {name}" for oid, name in names.items())  # noqa: S608
    rows, _flush = link.ask(" UNION ALL ".join(each), FLUSH)
    return {oid: Sequence(names[oid], last, called) for oid, last, called in rows}
