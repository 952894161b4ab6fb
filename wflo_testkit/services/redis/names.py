"""Names of what a run makes on a server; each one carries the run's id."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Self

from wflo_testkit.services.redis.server import RedisServer
from wflo_testkit.services.redis.spec import PREFIX


@dataclass(frozen=True, slots=True)
class Names:
    """start: what every prefix begins with. run: the run's id."""

    start: str
    run: str

    def user(self, lease_id: str) -> str:
        """Return the name of a lease's account."""
        return f"wflo-{self.run}-{lease_id}"

    @classmethod
    def on(cls, server: RedisServer, run: str) -> Self:
        """Return the names of `run` on `server`."""
        return cls(_start(server), run)

    @property
    def prefix_of_run(self) -> str:
        """What every key of the run begins with."""
        return f"{self.start}{self.run}:"

    def prefix(self, lease_id: str) -> str:
        """Return what every key of a lease begins with."""
        return f"{self.prefix_of_run}{lease_id}:"

    @staticmethod
    def password() -> str:
        """Return a password that needs no quoting in a URL."""
        return secrets.token_hex(16)


def guests_key(server: RedisServer) -> str:
    """Return the key of an external server's guestbook; no run's id is "guests"."""
    return f"{_start(server)}guests"


def _start(server: RedisServer) -> str:
    return str(server.options.get("prefix", PREFIX))
