"""Names on a Kafka server: each begins with the run's and the lease's id, and is legal.

On an external one the run's id is dated.
"""

from __future__ import annotations

import hashlib
import string

from wflo_testkit.dated import Names

ALL = "wflo-"
"""What every name that the kit makes begins with."""
MADE = Names("[0-9a-z]+-.+", separator="-")
"""The topics and groups of runs."""
LONGEST = 249
"""Letters in the name of a topic (Apache Kafka, org.apache.kafka.common.internals.Topic)."""

_LEGAL = frozenset(string.ascii_letters + string.digits + "._-")
_HASH = 8


def lease_stem(run: str, lease_id: str) -> str:
    """Return what every name of one lease begins with."""
    return f"{MADE.stem(run)}{lease_id}-"


def pooled_stem(run: str, number: int) -> str:
    """Return what every name of a lease begins with whose stem was there before the lease.

    No id of a lease begins with "p", so that it is not what another lease's names begin with.
    """
    return lease_stem(run, f"p{number}")


def pooled(stem: str, number: int, base: str) -> str:
    """Return the name of a topic under `stem` that is made before anybody asks for it.

    It begins with "-" after the stem, as no name that `under` returns.
    """
    topic = f"{stem}-{number}"
    return under(f"{topic}-", base) if base else topic


def under(stem: str, base: str) -> str:
    """Return `base` under `stem`, as a legal name of a topic; different bases differ.

    Letters that Kafka refuses become "-"; then, when `base` begins with "-", and when it is too
    long, a hash of `base` keeps the result apart from that of another base.
    """
    legal = "".join(letter if letter in _LEGAL else "-" for letter in base).lstrip("-")
    if legal == base and base and len(stem) + len(base) <= LONGEST:
        return stem + base
    mark = hashlib.sha256(base.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    room = LONGEST - len(stem) - _HASH - 1
    return f"{stem}{legal[:room]}-{mark}" if legal else f"{stem}{mark}"
