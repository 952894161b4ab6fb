"""Whether a transaction that was rolled back has really left nothing behind.

What is rolled back is counted like all the rest, so a count that has moved is a reason to look at
the rows themselves.
"""

from __future__ import annotations

from wflo_testkit.services.postgres.proof import Proof
from wflo_testkit.services.postgres.recycling.reading import Reading
from wflo_testkit.services.postgres.recycling.recycler import Watched
from wflo_testkit.services.postgres.recycling.restore import outgrown, restore, tidy


def changed(watched: Watched, proof: Proof) -> str:
    """Return what is no longer as it was, as words for a message; "" if nothing.

    Sequences, which do not roll back, are set back.
    proof: the state at first; where more has moved than tables and sequences, all of it is asked.
    """
    now = Reading.take(watched.link)
    if touched := now.touched(watched.before):
        return ", ".join(touched)
    moved = now.moved(watched.before)
    if not moved:
        return ""
    tables = moved & watched.blueprint.tables.keys()
    sequences = moved & watched.blueprint.sequences.keys()
    parts = [f"table {watched.blueprint.tables[oid].name}" for oid in tables]
    everything = bool(moved - tables - sequences)
    if (parts or everything) and (
        found := proof.changed(lambda sql: watched.link.ask(sql)[0], () if everything else parts)
    ):
        return found
    restore(watched.link, watched.blueprint, sequences, watched.lasts)
    tidy(watched.link, watched.blueprint, outgrown(watched.link, watched.blueprint, tables))
    watched.before = Reading.take(watched.link)
    return ""
