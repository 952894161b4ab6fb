"""What a test left open on the server: found, described, ended."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from wflo_testkit.isolation import ToldOnce
from wflo_testkit.services.postgres.admin import Admin, Row
from wflo_testkit.wait import WaitTimeout, wait_until

GRACE = 0.75
"""Seconds for backends whose client has just hung up: 1.9 ms, p99 3.5 (measured), and over 100 on
a machine with ten times more to do than it has cores."""

SHORT_GRACE = 0.1
"""The same at a reset, for sessions that hold state: the others are ended at once."""

_COLUMNS = """pid, application_name, coalesce(state, ''), left(coalesce(query, ''), 120),
    coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::float"""
_HOLDS_LOCKS = """EXISTS (SELECT FROM pg_locks l
    WHERE l.pid = pg_stat_activity.pid AND l.locktype <> 'virtualxid')"""
_LEAVES_STATE = re.compile(
    r"\s*(listen|prepare|declare|set(?!\s+local)|create\s+(local\s+|global\s+)?temp(orary)?)\b",
    re.IGNORECASE,
)
_FROM = (
    f"SELECT {_COLUMNS} FROM pg_stat_activity"  # noqa: S608 - constants only
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)

IN_DATABASE = f"{_FROM} AND datname = %s"
"""Sessions in one database; parameter: its name. Run it from another database."""

# The name comes with the URL of the lease and can be overridden by the code under test; whoever
# holds a lock in the schema is found in any case, and only those could block the clean-up.
_LOCKS = """SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_database d ON d.oid = l.database
    WHERE n.nspname = %s AND d.datname = current_database()"""
IN_SCHEMA = (
    f"{_FROM} AND datname = current_database() AND (application_name = %s OR pid IN ({_LOCKS}))"
)
"""Sessions of one schema; parameters: application name, schema. Run it in their database."""

# A transaction that is prepared keeps its locks, that of its number included, and has no process.
_PREPARED = """SELECT quote_literal(gid) FROM pg_prepared_xacts p
    WHERE database = current_database() AND EXISTS (
        SELECT FROM pg_locks own JOIN pg_locks l USING (virtualtransaction)
        JOIN pg_class c ON c.oid = l.relation
        WHERE own.transactionid = p.transaction AND own.pid IS NULL AND l.pid IS NULL
        AND c.relnamespace::regnamespace::text = %s)"""

OF_ROLE = f"{_FROM} AND usename = %s"
"""Sessions of one role, in whichever database; parameter: its name."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which sessions belong to a test: a query, its parameters, the database to ask in."""

    sql: str
    parameters: tuple[str, ...]
    database: str = ""


def end_sessions(
    admin: Admin, where: Where, grace: float = GRACE, told: ToldOnce | None = None
) -> list[str]:
    """End every session in `where` and return a sentence for each that was left open.

    grace: seconds to wait for those that are closing by themselves. told: which are known.
    """
    left: list[Row] = []

    def nobody() -> bool:
        left[:] = admin.rows(where.sql, where.parameters, database=where.database)
        return not left

    try:
        wait_until(nobody, timeout=grace, poll=0.002, catch=())
    except WaitTimeout:
        pids = [row[0] for row in left]
        admin.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (pids,))
        _wait_for_end(admin, pids)
    return [_told(told, *row[1:]) for row in left]


def end_all(admin: Admin, where: Where, released: Collection[int] = ()) -> list[str]:
    """End every session in `where`; return a sentence for each that could be seen to hold state.

    For a database that goes on: what an idle session has SET, prepared or listens to cannot be
    seen from here, nor what it has written and not counted yet. So none may live.
    released: process ids of sessions whose owners have let go of them.
    """
    sql = where.sql.replace(_COLUMNS, f"{_COLUMNS}, {_HOLDS_LOCKS}", 1)
    ended: set[int] = set()

    def look(*, spare: bool) -> list[str]:
        rows = admin.rows(sql, where.parameters, database=where.database)
        busy = {r[0]: _sentence(*r[1:-1]) for r in rows if r[0] not in released and _holds(*r[1:])}
        end = [row[0] for row in rows if not (spare and row[0] in busy)]
        if end:
            admin.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (end,))
            ended.update(end)
        return list(busy.values())

    with suppress(WaitTimeout):
        wait_until(lambda: not look(spare=True), timeout=SHORT_GRACE, poll=0.005, catch=())
        _wait_for_end(admin, list(ended), 0.001)
        return []
    told = look(spare=False)
    _wait_for_end(admin, list(ended), 0.001)
    return told


def roll_back_prepared(admin: Admin, schema: str, database: str) -> list[str]:
    """Roll back what is prepared and holds a lock in a schema; return its names, quoted."""
    found = admin.rows(_PREPARED, (schema,), database=database)
    for (gid,) in found:
        admin.rows(f"ROLLBACK PREPARED {gid}", database=database)
    return [gid for (gid,) in found]


def prepared(gid: str) -> str:
    """Say that a transaction was left prepared."""
    return f"the prepared transaction {gid} was left open"


def _holds(_name: str, state: str, query: str, _seconds: float, has_locks: bool) -> bool:
    """Whether a session is in the middle of something, or its last statement left something."""
    return state not in ("", "idle") or has_locks or bool(_LEAVES_STATE.match(query))


def _wait_for_end(admin: Admin, pids: list[int], poll: float = 0.005) -> None:
    """Wait until the ended backends are gone: until then they keep locks and their database.

    One that takes longer than this is left to DROP DATABASE WITH (FORCE).
    """
    query = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ANY(%s::int[])"
    with suppress(WaitTimeout):
        wait_until(lambda: admin.rows(query, (pids,))[0][0], timeout=5, poll=poll, catch=())


def _told(told: ToldOnce | None, application: str, state: str, query: str, seconds: float) -> str:
    sentence = _sentence(application, state, query, seconds)
    return told.mark(application, sentence) if told is not None and state == "idle" else sentence


def _sentence(application: str, state: str, query: str, seconds: float) -> str:
    what = "a connection"
    if state.startswith("idle in transaction"):
        what = f"a transaction ({seconds:.1f} s old)"
    elif state == "active":
        what = "a running statement"
    by = f" by {application!r}" if application else ""
    last = " ".join(query.split())
    return f"{what} was left open{by}" + (f"; its last statement: {last}" if last else "")
