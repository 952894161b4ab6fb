"""Names of what a run makes on a server; each one carries the run's id."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """start: what every prefix begins with. run: the run's id."""

    start: str
    run: str

    def user(self, lease_id: str) -> str:
        return f"wflo-{self.run}-{lease_id}"

    @property
    def prefix_of_run(self) -> str:
        return f"{self.start}{self.run}:"

    def prefix(self, lease_id: str) -> str:
        return f"{self.prefix_of_run}{lease_id}:"

    @staticmethod
    def password() -> str:
        """Return a password that needs no quoting in a URL."""
        return secrets.token_hex(16)
