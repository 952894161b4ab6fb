"""The guestbook of an external server: a hash `<prefix>guests` with a field per run."""

from __future__ import annotations

import dataclasses

from wflo_testkit.guestbook import Guest
from wflo_testkit.model import Server
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.services.redis.names import guests_key
from wflo_testkit.services.redis.server import RedisServer


class RedisGuestbook:
    """A guestbook.Guestbook; runs find one another by server, logical database and prefix.

    No key expires: a run that is merely paused would lose what tells others whose its data is.
    """

    def __init__(self, server: Server) -> None:
        assert isinstance(server, RedisServer)
        self._admin = Admin(server)
        self._key = guests_key(server)

    def sign(self, guest: Guest) -> float:
        """Write or renew the entry; return the server's time."""
        [(seconds, microseconds)] = self._admin.run(("TIME",))
        now = int(seconds) + int(microseconds) / 1e6
        entry = dataclasses.replace(guest, seen=now)
        self._admin.run(("HSET", self._key, guest.run, entry.to_text()))
        return now

    def guests(self) -> list[Guest]:
        [entries] = self._admin.run(("HGETALL", self._key))
        guests = (Guest.from_text(text) for text in entries.values())
        return [guest for guest in guests if guest is not None]

    def strike(self, run: str) -> None:
        self._admin.run(("HDEL", self._key, run))  # the last one takes the key along

    def close(self) -> None:
        self._admin.close()
