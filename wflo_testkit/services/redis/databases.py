"""Isolation `database`: one logical database of the kit's server for each test."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis.accounts import (
    DIALECTS,
    EVERYTHING,
    Dialect,
    end_user,
    make_user,
    rules_of_database,
    rules_of_reading,
)
from wflo_testkit.services.redis.admin import Admin, Command
from wflo_testkit.services.redis.claims import Claims
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.server import RedisServer

MAKING_TIMEOUT = 60.0
"""Seconds to wait for a number that is being made anew: as long as one answer may take, twice."""


@dataclass(frozen=True, slots=True)
class Made:
    """An empty number and the account that alone may select it."""

    number: int
    user: str
    password: str


class Databases:
    """Hands out the numbers 1, 2, ...; database 0 is where every connection begins.

    A number is flushed before it is handed out, and the user that may select it ends with the
    lease: a client that reconnects later is not let in. On the run's own server both happen in
    one step behind the test's back, so that the next hand-out finds it done.
    On a server that other runs use, too, only numbers that this run has claimed are handed out,
    and nothing is made ahead.
    """

    name = "database"
    enters_number_zero = True

    def __init__(self, server: RedisServer, admin: Admin, names: Names) -> None:
        self._server = server
        self._admin = admin
        self._names = names
        self._changed = threading.Condition()
        self._count = int(server.options.get("databases", 16))
        self._claims = Claims(admin, names.run, self._count) if server.is_shared else None
        numbers = () if self._claims else range(1, self._count)
        self._free = deque((number, "") for number in numbers)  # and its last user, if not ended
        self._ready = deque[Made]()
        self._kept: OrderedDict[int, str] = OrderedDict()  # number -> user, oldest first
        self._coming = 0
        self._behind = ThreadPoolExecutor(1, "wflo-redis")

    def prepare(self) -> None:
        """Ask ahead what the first lease would have to. Raises IsolationFailed."""
        _ = self._dialect

    @cached_property
    def _dialect(self) -> Dialect:
        """The strictest rules that the server understands; asked once, in one round trip."""
        trial, password = self._names.user("trial"), self._names.password()
        tries = (make_user(trial, password, ("off", *each.for_everybody(1))) for each in DIALECTS)
        answers = self._admin.tried(*tries, end_user(trial))
        tried = zip(DIALECTS, answers, strict=False)
        return next((d for d, told in tried if not isinstance(told, Exception)), DIALECTS[-1])

    def lease(self, _request: LeaseRequest) -> Mapping[str, Json]:
        """Return number and account. Raises IsolationFailed if none is free."""
        made = self._next()
        return {"db": made.number, "username": made.user, "password": made.password, "prefix": ""}

    def release(self, data: Mapping[str, Json], *, keep: bool, clean: bool = True) -> None:
        """End the user, flush the number and give it back; keep: once all others are in use.

        Until then the user may read, and what was connected is not any more.
        clean: the user has no connection that would have to be closed before this returns.
        """
        number, user = data["db"], data["username"]
        if keep:
            rules = rules_of_reading(number)
            self._admin.run(end_user(user), make_user(user, data["password"], rules))
            with self._changed:
                self._kept[number] = user
        elif self._claims is not None:
            self._admin.run(*_emptied(number, user))
            self._put(number)
        else:
            with self._changed:
                self._coming += 1
            done = self._behind.submit(self._renew, number, user)
            if not clean:
                done.result()

    def reset(self, data: Mapping[str, Json], *, end_sessions: bool) -> None:
        """Empty the number; end_sessions: its account ends, and is made anew, before that."""
        made = Made(data["db"], data["username"], data["password"])
        anew = (end_user(made.user), *self._accounts(made)) if end_sessions else ()
        self._admin.run(*anew, *_emptied(made.number, ""))

    def close(self) -> None:
        """Finish what is under way; end the claims on numbers that were given back.

        What is kept stays claimed.
        """
        self._behind.shutdown(cancel_futures=True)
        if self._claims is not None:
            with self._changed:
                free, self._free = self._free, deque()
            self._claims.give_back(number for number, _user in free)

    def _next(self) -> Made:
        with self._changed:
            self._changed.wait_for(
                lambda: self._ready or self._free or not self._coming, timeout=MAKING_TIMEOUT
            )
            if self._ready:
                return self._ready.popleft()
            number, user = self._take()
        try:
            return self._make(number, user)
        except BaseException:
            self._put(number, user)
            raise

    def _take(self) -> tuple[int, str]:
        if not self._free and self._claims is not None:
            self._free.extend((number, "") for number in self._claims.take())
        if self._free:
            return self._free.popleft()
        if not self._kept:
            raise self._exhausted()
        return self._kept.popitem(last=False)

    def _make(self, number: int, last: str = "") -> Made:
        """Empty a number and make its next account, in one round trip; end the `last` one."""
        made = Made(number, self._names.user(secrets.token_hex(4)), self._names.password())
        self._admin.run(*_emptied(number, last), *self._accounts(made))
        return made

    def _accounts(self, made: Made) -> tuple[Command, ...]:
        """Return what makes the account; on a server of one test also the one of requirepass."""
        if self._server.is_for_one_test:
            everybody = make_user("default", self._server.password, EVERYTHING)
            return (make_user(made.user, made.password, EVERYTHING), everybody)
        rules = rules_of_database(made.number, self._dialect)
        return (make_user(made.user, made.password, rules),)

    def _renew(self, number: int, user: str) -> None:
        made: Made | None = None
        try:
            made = self._make(number, user)
        finally:
            with self._changed:
                self._coming -= 1
                if made is not None:
                    self._ready.append(made)
                else:  # whoever gets it tries again, and meets the error if it lasts
                    self._free.append((number, user))
                self._changed.notify_all()

    def _put(self, number: int, user: str = "") -> None:
        with self._changed:
            self._free.append((number, user))
            self._changed.notify_all()

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


def _emptied(number: int, user: str) -> tuple[Command, ...]:
    """Return what empties a number; its user ends first: it could write again after the flush.

    ASYNC: it is empty at once, too, while Redis 8 answers SYNC only when no script runs any more.
    """
    ended = (end_user(user),) if user else ()
    return (*ended, ("SELECT", number), ("FLUSHDB", "ASYNC"))
