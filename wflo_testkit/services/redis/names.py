"""Names of what a run makes on a server; each carries the run's id, on an external one dated."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Self

from wflo_testkit import dated
from wflo_testkit.services.redis.server import RedisServer
from wflo_testkit.services.redis.spec import PREFIX

USERS = dated.Names("[0-9a-z]+")
"""The accounts of runs."""


@dataclass(frozen=True, slots=True)
class Names:
    """start: what every prefix begins with. run: the run's id."""

    start: str
    run: str

    @property
    def administrator(self) -> str:
        """What the kit's own connection is called on an external server; no account is."""
        return USERS.stem(self.run)

    def user(self, lease_id: str) -> str:
        """Return the name of a lease's account."""
        return f"{USERS.stem(self.run)}{lease_id}"

    @classmethod
    def on(cls, server: RedisServer, run: str) -> Self:
        """Return the names of `run` on `server`."""
        return cls(str(server.options.get("prefix", PREFIX)), run)

    @property
    def keys(self) -> dated.Names:
        """The keys of runs."""
        return dated.Names("[0-9a-z]+:.*", before=self.start)

    def prefix(self, lease_id: str) -> str:
        """Return what every key of a lease begins with."""
        return f"{self.keys.stem(self.run)}{lease_id}:"

    @staticmethod
    def password() -> str:
        """Return a password that needs no quoting in a URL."""
        return secrets.token_hex(16)
