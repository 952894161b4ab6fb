"""Isolation `prefix`: keys and channels that begin with a test's own prefix; nothing is flushed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wflo_testkit.model import Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis.accounts import (
    end_user,
    glob_quoted,
    make_user,
    rules_of_prefix,
)
from wflo_testkit.services.redis.admin import Admin, Command
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.server import RedisServer

PAGE = 1000
"""Keys looked at in one step of a SCAN: a shared server must not be stopped for long."""


class Prefixes:
    """A user per lease that Redis keeps inside its prefix: a leak is a NOPERM error."""

    def __init__(self, server: RedisServer, admin: Admin, names: Names) -> None:
        self._db = server.address.db
        self._admin = admin
        self._names = names
        self._may_clean_up = False

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return prefix and account. Raises ServiceUnavailable without the right to make users."""
        prefix = self._names.prefix(request.id)
        user, password = self._names.user(request.id), self._names.password()
        rules = rules_of_prefix(prefix, self._db)
        checks: tuple[Command, ...] = ()
        if not self._may_clean_up:  # better known now than after the first test
            checks = (("CLIENT LIST",), ("SCAN", 0, "MATCH", glob_quoted(prefix), "COUNT", 1))
        self._admin.run(make_user(user, password, rules), *checks)
        self._may_clean_up = True
        return {"db": self._db, "username": user, "password": password, "prefix": prefix}

    def release(
        self,
        data: Mapping[str, Json],
        *,
        keep: bool,
        clean: bool = True,  # noqa: ARG002
    ) -> None:
        """Delete the user, then its keys; keep: neither, until the run ends."""
        if not keep:
            self._admin.run(end_user(data["username"]))
            self._unlink(data["prefix"])

    def clear(self) -> None:
        """Delete the keys of every lease of the run."""
        self._unlink(self._names.prefix_of_run)

    def _unlink(self, prefix: str) -> None:
        for page in self._pages(prefix):
            self._admin.run(("UNLINK", *page))

    def _pages(self, prefix: str) -> Iterator[list[bytes]]:
        """Yield the keys that begin with `prefix`, in portions."""
        cursor: int = 0
        while True:
            [(cursor, keys)] = self._admin.run(
                ("SCAN", cursor, "MATCH", f"{glob_quoted(prefix)}*", "COUNT", PAGE)
            )
            if keys:
                yield keys
            if int(cursor) == 0:
                return
