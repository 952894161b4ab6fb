"""A new database in the place of a used one: under its name, for its account.

Both change hands in one transaction, so that whoever has the account enters one or the other. On
the kit's own server no more than the names is written: ALTER DATABASE wants nobody to be connected,
while the kit watches the new one already, and waits for a tenth of a second if somebody still is.
"""

from __future__ import annotations

from collections.abc import Callable

from wflo_testkit.services.postgres.accounts import literal, quoted
from wflo_testkit.services.postgres.admin import Row
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.sessions import IN_DATABASE, Where, end_all

_RENAME = "UPDATE pg_database SET datname = {1} WHERE datname = {0}"
# A transaction that is prepared keeps its locks, that of its number included, and has no process.
_PREPARED = """SELECT quote_literal(gid) FROM pg_prepared_xacts p
    WHERE database = current_database() AND ({schema} = '' OR EXISTS (
        SELECT FROM pg_locks own JOIN pg_locks l USING (virtualtransaction)
        JOIN pg_class c ON c.oid = l.relation
        WHERE own.transactionid = p.transaction AND own.pid IS NULL AND l.pid IS NULL
        AND c.relnamespace::regnamespace::text = {schema}))"""


def roll_back_prepared(ask: Callable[[str], list[Row]], schema: str = "") -> list[str]:
    """Roll back what is prepared in a database; return a sentence for each. Raises psycopg.Error.

    ask: runs one statement in there. schema: only what holds a lock in there.
    """
    prepared = [gid for (gid,) in ask(_PREPARED.format(schema=literal(schema)))]
    for gid in prepared:
        ask(f"ROLLBACK PREPARED {gid}")
    return [f"the prepared transaction {gid} was left open" for gid in prepared]


def exchange(cluster: Cluster, recycler: Recycler, used: str, fresh: str) -> str:
    """Give `fresh`, which nobody has used yet, the name and the account of `used`.

    All sessions in `used` have ended; who has come since goes with it.
    Returns what `used` is called from now on. Raises IsolationFailed, psycopg.Error.
    """
    gone = cluster.reserve_name()
    names = ((used, gone), (fresh, used))
    if cluster.server.is_external:
        _empty(cluster, used, fresh)
        cluster.databases.rename(*names)
    else:
        statements = [_RENAME.format(*map(literal, each)) for each in names]
        if cluster.confines:
            statements += cluster.accounts.handing_over(used, fresh, gone)
        recycler.exchange(used, fresh, statements)
    cluster.exchanged(fresh, gone)
    return gone


def _empty(cluster: Cluster, *databases: str) -> None:
    """End all sessions in there, and let none in: else neither could be renamed."""
    for name in databases:
        cluster.admin.close_database(name)
        cluster.databases.run(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS false")
        end_all(cluster.admin, Where(IN_DATABASE, (name,)))
