"""Names of what a run makes on a server; each carries the run's id, on an external one dated."""

from __future__ import annotations

import hashlib
import re

from wflo_testkit import dated

MADE = dated.Names("[0-9]+|empty|schemas|t_[0-9a-z]{1,16}|s_[0-9a-z]{1,24}")
"""The databases and schemas of runs."""
_ROOM = 28  # of 63 bytes (PostgreSQL manual, Identifiers), so that every suffix fits


class Names:
    """Names for one run: `wflo_<run>_<what>`."""

    __slots__ = ("role",)

    def __init__(self, run: str) -> None:
        word = re.sub("[^a-z0-9_]", "", run.lower())
        if len(word) > _ROOM or not word:
            word = hashlib.sha256(run.encode()).hexdigest()[:_ROOM]
        self.role = f"wflo_{word}"
        """The role that owns the run's templates."""

    @property
    def stem(self) -> str:
        """What the name of each database of the run begins with, and of no other run's."""
        return f"{self.role}_"

    @property
    def shared(self) -> str:
        """The database that holds the schemas of mode `schema`."""
        return f"{self.role}_schemas"

    @property
    def empty(self) -> str:
        """The template of databases without a schema, where template1 will not do."""
        return f"{self.role}_empty"

    def template(self, fingerprint: str) -> str:
        """Return the name of the template of a schema's fingerprint."""
        return f"{self.role}_t_{_word(fingerprint, 16)}"

    def clone(self, number: int) -> str:
        """Return the name of the run's database with this number."""
        return f"{self.role}_{number}"

    def login(self, number: int, role: str) -> str:
        """Return the name of the run's login with this number, which stands for `role`."""
        return f"{self.role}_as_{number}_{re.sub('[^a-z0-9_]', '_', role.lower())[:16]}"

    def schema(self, lease_id: str) -> str:
        """Return the name of a lease's schema."""
        return f"{self.role}_s_{_word(lease_id, 24)}"


READY = Names("ready")
"""Names of what a warm image has inside, until a run takes it over; no run's id is "ready"."""


def _word(text: str, length: int) -> str:
    """Shorten `text` for use in a name; what does not fit, or is no plain word, is hashed."""
    plain = re.fullmatch("[a-z0-9]+", text)
    if plain and len(text) <= length:
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:length]
