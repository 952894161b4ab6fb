"""Who is using an external server: each run signs a book that is kept on that server itself.

Nothing else is seen from every machine: the kit's own servers have labels on the daemon and
records in a folder, an external one has neither.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One run's entry.

    run: its id, which is part of every name that it makes there.
    owner: its process, as `runtime.labels.owner` names one; "" once the run is over.
    lease: seconds for which the entry is good after `seen`, where the owner cannot be looked at.
    seen: when the entry was last written, in seconds of the server's own clock.
    """

    run: str
    owner: str
    lease: float
    seen: float = 0.0

    def to_text(self) -> str:
        """Return the entry as JSON, for `from_text`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | bytes | None) -> Self | None:
        """Return the entry; None for what is none, which belongs to nobody that we know."""
        try:
            guest = cls(**json.loads(text or ""))
            is_sound = guest.run.isalnum() and bool(float(guest.lease) + float(guest.seen) >= 0)
        except (ValueError, TypeError, AttributeError):
            return None
        return guest if is_sound else None


class Guestbook(Protocol):
    """The book of one server. Connects at first use; used by one thread at a time."""

    def sign(self, guest: Guest) -> float:
        """Write or renew an entry; return the server's time, which is the entry's `seen`.

        Raises ServiceUnavailable, saying what to grant, or IsolationFailed.
        """

    def guests(self) -> list[Guest]:
        """Return every entry that can be read."""

    def strike(self, run: str) -> None:
        """Remove an entry, after everything else of that run; harmless if it is gone."""

    def close(self) -> None:
        """Drop the connections; the entries stay."""
