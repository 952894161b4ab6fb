"""What was written to a database, seen without reading it.

The server counts every row that is inserted, updated or deleted, in each relation and whether or
not the transaction is committed, and every block of a sequence that is looked at; a backend hands
its counts in before its session is over (PostgreSQL source, pgstat.c, pgstat_shutdown_hook). All
DDL writes rows to catalogs, which are counted like any others. Only a superuser can stop, reset
or falsify this, and only a crash loses it. What is kept outside of the database, in catalogs that
all databases share, is known by the place and writer of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection

_ROWS = "SELECT string_agg(concat_ws('/', ctid, xmin), ' ') FROM"
MARKS = {
    "the database's own row": f"{_ROWS} pg_database WHERE oid = {{database}}",
    "a setting": f"{_ROWS} pg_db_role_setting"
    " WHERE setdatabase = {database} OR setrole = {role}",
    "the role": f"{_ROWS} pg_authid WHERE oid = {{role}}",
    "a membership": f"{_ROWS} pg_auth_members WHERE {{role}} IN (roleid, member, grantor)",
    "a comment": f"{_ROWS} pg_shdescription WHERE objoid IN ({{database}}, {{role}})",
    "a security label": f"{_ROWS} pg_shseclabel WHERE objoid IN ({{database}}, {{role}})",
    "a subscription": f"{_ROWS} pg_subscription WHERE subdbid = {{database}}",
    "a prepared transaction": "SELECT count(*) FROM pg_prepared_xact() WHERE dbid = {database}",
    "a replication slot": "SELECT count(*) FROM pg_get_replication_slots()"
    " WHERE datoid = {database}",
    "a crash of the server": "SELECT concat_ws('/', pg_stat_get_bgwriter_stat_reset_time(),"
    " pg_postmaster_start_time())",
    "a reset of the counters": "SELECT pg_stat_get_db_stat_reset_time({database})",
    "a session": "SELECT pg_stat_get_db_numbackends({database})",
}
"""Name -> query for one text; it stays the same as long as nobody has touched the thing.

A crash throws the counters away and notes the moment (pgstat_discard_stats); one session is the
kit's own.
"""
DATABASE, ROLE, SESSION = "the database's own row", "the role", "a session"
_SEEN = ", ".join(
    f"({MARKS[each]})" for each in ("a crash of the server", "a reset of the counters", SESSION)
)
_VISITS = f"SELECT concat_ws(' ', {_SEEN}, pg_stat_get_db_sessions({{database}}))"


def _sum(*counters: str) -> str:
    return " + ".join(f"pg_stat_get_{counter}(oid)" for counter in counters)


_INSERTS = _sum("tuples_inserted")
_CHANGES = _sum("tuples_updated", "tuples_deleted")
# VACUUM and ANALYZE write to catalogs in place, which is not counted there.
_UPKEEP = _sum("vacuum_count", "analyze_count", "autovacuum_count", "autoanalyze_count")
_COUNTED = """SELECT array_agg(oid) FILTER (WHERE relkind <> 'S')::text,
    array_agg(oid) FILTER (WHERE relkind = 'S')::text
    FROM pg_class WHERE relkind IN ('r', 'm', 'p', 'S') AND NOT relisshared"""
"""What is there at first, catalogs included; what a test adds is written down in those."""
# The last argument is an int8 since 18 and was an oid before, which an int8 becomes by itself.
_HAVE = "oid WHERE pg_stat_have_stats('relation', {database}, oid::int8)"
# Asked by name: a scan of pg_class takes longer (measured, 30 tables: 0.20 against 0.13 ms). Most
# relations were never touched and have no counts: to ask for that first saves a third.
_COUNTS = f"""SELECT oid, n, m FROM (
    SELECT oid::int8, {_INSERTS}, {_CHANGES}, {_UPKEEP} FROM unnest('{{tables}}'::oid[]) {_HAVE}
    UNION ALL
    SELECT oid::int8, pg_stat_get_blocks_fetched(oid), 0, 0
    FROM unnest('{{sequences}}'::oid[]) {_HAVE}
    ) counted(relation, inserts, changes, upkeep), LATERAL (VALUES
    (relation, inserts + changes, changes), (-relation, upkeep, 0)) each(oid, n, m) WHERE n > 0"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a database.

    counts: relation -> writes so far, where there were any; its negative -> how often it was
    vacuumed or analyzed. changes: relation -> how many of the writes were no inserts.
    """

    marks: dict[str, str]
    counts: dict[int, int]
    changes: dict[int, int]

    @classmethod
    def take(cls, link: WatchingConnection) -> Reading:
        """Look now, in one round trip. Raises psycopg.Error."""
        marks, counts = link.ask(*READ)
        return cls.of(marks[0][0], counts)

    @classmethod
    def of(cls, marks: list[str], counts: list[tuple[int, int, int]]) -> Reading:
        """Make one of what READ has returned."""
        return cls(
            dict(zip(MARKS, marks, strict=True)),
            {oid: number for oid, number, _changes in counts},
            {oid: changes for oid, _number, changes in counts},
        )

    def touched(self, before: Reading) -> list[str]:
        """Return what else than rows is not as it was before."""
        return [name for name in MARKS if self.marks[name] != before.marks[name]]

    def moved(self, before: Reading) -> set[int]:
        """Return the relations whose counts are not what they were before."""
        return {
            oid
            for oid in self.counts.keys() | before.counts.keys()
            if self.counts.get(oid, 0) != before.counts.get(oid, 0)
        }

    def added(self, before: Reading) -> dict[int, int]:
        """Return to which relations rows were only added, and how many, rolled back or not."""
        return {
            oid: number - before.counts.get(oid, 0)
            for oid, number in self.counts.items()
            if self.changes[oid] == before.changes.get(oid, 0)
        }


READ = ("EXECUTE wflo_marks", "EXECUTE wflo_counts")
"""The two queries of a reading: one row with an array, and a row for each relation."""


def prepare(link: WatchingConnection) -> None:
    """Let the server plan all looks once: that takes longer than to run them.

    Call before any test has used the database.
    """
    [[(tables, sequences)]] = link.ask(_COUNTED)
    counts = _COUNTS.format(database=link.oid, tables=tables, sequences=sequences or "{}")
    each = (
        f"({query.format(database=link.oid, role=link.role)})::text" for query in MARKS.values()
    )
    link.ask(
        f"PREPARE wflo_marks AS SELECT ARRAY[{', '.join(each)}]",
        f"PREPARE wflo_counts AS {counts}",
        f"PREPARE wflo_visits AS {_VISITS.format(database=link.oid)}",
    )


def role_mark(link: WatchingConnection) -> str:
    """Return the query of the role's mark alone."""
    return MARKS[ROLE].format(database=link.oid, role=link.role)


def visits(link: WatchingConnection) -> str:
    """Return what stays the same as long as nobody else has been in the database.

    A session is counted at the latest when it is over (PostgreSQL source, pgstat_report_connect),
    and is itself to be seen until then.
    """
    return str(link.ask("EXECUTE wflo_visits")[0][0][0])


def sessions(link: WatchingConnection) -> int:
    """Return how many sessions there are in the database, the kit's own left out."""
    [[(number,)]] = link.ask(MARKS[SESSION].format(database=link.oid))
    return int(number) - 1
