"""Isolation `database`: one logical database of the kit's server for each test."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis.accounts import end_user, make_user, rules_of_database
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.services.redis.claims import Claims
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.server import RedisServer


class Databases:
    """Hands out the numbers 1, 2, ...; database 0 is where every connection begins.

    A number is flushed before it is handed out and after it came back, and the user that may
    select it lives as long as the lease: a client that reconnects later is not let in.
    On a server that other runs use, too, only numbers that this run has claimed are handed out.
    """

    def __init__(self, server: RedisServer, admin: Admin, names: Names) -> None:
        self._server = server
        self._admin = admin
        self._names = names
        self._lock = threading.Lock()
        self._count = int(server.options.get("databases", 16))
        self._claims = Claims(admin, names.run, self._count) if server.is_shared else None
        self._free = deque(() if self._claims else range(1, self._count))
        self._kept: OrderedDict[int, str] = OrderedDict()  # number -> user, oldest first

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return number and account, in one round trip. Raises IsolationFailed if none is free."""
        number = self._take()
        user, password = self._names.user(request.id), self._names.password()
        rules = rules_of_database(number, everything=self._server.is_for_one_test)
        try:
            self._admin.run(
                ("SELECT", number), ("FLUSHDB", "SYNC"), make_user(user, password, rules)
            )
        except BaseException:
            self._put(number)
            raise
        return {"db": number, "username": user, "password": password, "prefix": ""}

    def release(self, data: Mapping[str, Json], *, keep: bool) -> None:
        """Flush the number and give it back; keep: only once all others are in use."""
        if keep:
            with self._lock:
                self._kept[data["db"]] = data["username"]
            return
        self._clear(data["db"], data["username"])
        self._put(data["db"])

    def close(self) -> None:
        """End the claims on numbers that were given back; what is kept stays claimed."""
        if self._claims is not None:
            with self._lock:
                free, self._free = self._free, deque()
            self._claims.give_back(free)

    def _clear(self, number: int, user: str) -> None:
        # The user first: its connections could write again after the flush.
        self._admin.run(end_user(user), ("SELECT", number), ("FLUSHDB", "SYNC"))

    def _take(self) -> int:
        with self._lock:
            if not self._free and self._claims is not None:
                self._free.extend(self._claims.take())
            if self._free:
                return self._free.popleft()
            if not self._kept:
                raise self._exhausted()
            number, user = self._kept.popitem(last=False)
        self._clear(number, user)
        return number

    def _put(self, number: int) -> None:
        with self._lock:
            self._free.append(number)

    def _exhausted(self) -> IsolationFailed:
        last, own = self._count - 1, "number 0 is its own"
        if self._claims is not None:
            last, own = self._claims.last, f"0 and {last} are its own, and other runs use it, too"
        return IsolationFailed(
            f"all {last} logical databases of {self._server.name} are in use",
            cause=f"the server has {self._count}; {own}",
            looked_at="setting redis_databases",
            fix="raise it; or give databases back: a test holds one per server until it ends",
        )
