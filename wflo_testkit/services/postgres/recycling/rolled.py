"""Whether a transaction that was rolled back has really left nothing behind.

What is rolled back is counted like all the rest, so a count that has moved is a reason to look at
the rows themselves.
"""

from __future__ import annotations

from wflo_testkit.services.postgres.proof import Ask, Proof
from wflo_testkit.services.postgres.recycling.reading import Reading
from wflo_testkit.services.postgres.recycling.recycler import Case
from wflo_testkit.services.postgres.recycling.restore import outgrown, restore, tidy


def changed(case: Case, proof: Proof) -> str:
    """Return what is no longer as it was, as words for a message; "" if nothing.

    Sequences, which do not roll back, are set back.
    proof: the state at first; where more has moved than tables and sequences, all of it is asked.
    """
    now = Reading.take(case.link)
    if touched := now.touched(case.before):
        return ", ".join(touched)
    moved = now.moved(case.before)
    if not moved:
        return ""
    tables = moved & case.blueprint.tables.keys()
    sequences = moved & case.blueprint.sequences.keys()
    parts = [f"table {case.blueprint.tables[oid].name}" for oid in tables]
    everything = bool(moved - tables - sequences)
    if (parts or everything) and (
        found := proof.changed(_asking(case), () if everything else parts)
    ):
        return found
    restore(case.link, case.blueprint, sequences, case.lasts)
    tidy(case.link, case.blueprint, outgrown(case.link, case.blueprint, tables))
    case.before = Reading.take(case.link)
    return ""


def _asking(case: Case) -> Ask:
    return lambda sql: case.link.ask(sql)[0]
