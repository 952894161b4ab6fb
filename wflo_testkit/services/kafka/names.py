"""Names on a Kafka server: each begins with the run's and the lease's id, and is legal."""

from __future__ import annotations

import hashlib
import string

ALL = "wflo-"
"""What every name that the kit makes begins with."""
GUEST = f"{ALL}guest-"
"""What the topics of the guestbook begin with; no run's id is "guest"."""
LONGEST = 249
"""Letters in the name of a topic (Apache Kafka, org.apache.kafka.common.internals.Topic)."""

_LEGAL = frozenset(string.ascii_letters + string.digits + "._-")
_HASH = 8


def run_stem(run: str) -> str:
    """Return what every name of the run `run` begins with."""
    return f"{ALL}{run}-"


def guest_topic(run: str) -> str:
    """Return the name of the topic by which `run` signs in on an external cluster."""
    return f"{GUEST}{run}"


def lease_stem(run: str, lease_id: str) -> str:
    """Return what every name of one lease begins with."""
    return f"{run_stem(run)}{lease_id}-"


def pooled(run: str, number: int, base: str) -> str:
    """Return the name of a topic that is made before a lease asks for it."""
    stem = f"{run_stem(run)}p{number}"
    return under(f"{stem}-", base) if base else stem


def under(stem: str, base: str) -> str:
    """Return `base` under `stem`, as a legal name of a topic; different bases differ.

    Letters that Kafka refuses become "-"; then, and when `base` is too long, a hash of `base`
    keeps the result apart from that of another base.
    """
    legal = "".join(letter if letter in _LEGAL else "-" for letter in base)
    if legal == base and base and len(stem) + len(base) <= LONGEST:
        return stem + base
    mark = hashlib.sha256(base.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    room = LONGEST - len(stem) - _HASH - 1
    return f"{stem}{legal[:room]}-{mark}" if legal else f"{stem}{mark}"
