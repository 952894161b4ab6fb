"""A new database in the place of a used one: under its name, for its account.

Both change hands in one transaction, so that whoever has the account enters one or the other. On
the kit's own server no more than the names is written: ALTER DATABASE wants nobody to be connected,
while the kit watches the new one already, and waits for a tenth of a second if somebody still is.
"""

from __future__ import annotations

from wflo_testkit.services.postgres.accounts import literal, quoted
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.sessions import IN_DATABASE, Where, end_all

_RENAME = "UPDATE pg_database SET datname = {1} WHERE datname = {0}"


def exchange(cluster: Cluster, recycler: Recycler, used: str, fresh: str) -> str:
    """Give `fresh`, which nobody has used yet, the name and the account of `used`.

    All sessions in `used` have ended; who has come since goes with it.
    Returns what `used` is called from now on. Raises IsolationFailed, psycopg.Error.
    """
    for name in (used, fresh):  # the idle ones, which are known by its name
        cluster.admin.close_database(name)
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
        cluster.databases.run(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS false")
        end_all(cluster.admin, Where(IN_DATABASE, (name,)))
