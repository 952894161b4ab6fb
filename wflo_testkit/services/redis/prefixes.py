"""Isolation `prefix`: keys and channels that begin with a test's own prefix; nothing is flushed."""

from __future__ import annotations

from collections.abc import Mapping

from wflo_testkit.model import Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis.accounts import (
    end_user,
    glob_quoted,
    make_user,
    rules_of_prefix,
    rules_of_reading,
)
from wflo_testkit.services.redis.admin import Admin, Command
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.server import RedisServer


class Prefixes:
    """A user per lease that Redis keeps inside its prefix: a leak is a NOPERM error."""

    name = "prefix"
    enters_number_zero = False

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
            checks = (
                *(("CLIENT LIST",), ("CLIENT", "SETNAME", self._admin.name)),
                ("SCAN", 0, "MATCH", glob_quoted(prefix), "COUNT", 1),
            )
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
        """Delete the user, then its keys; keep: until the run ends it may read them."""
        user, prefix = data["username"], data["prefix"]
        if keep:
            rules = rules_of_reading(self._db, prefix)
            self._admin.run(end_user(user), make_user(user, data["password"], rules))
        else:
            self._admin.run(end_user(user))
            self._delete(prefix)

    def reset(self, data: Mapping[str, Json], *, end_sessions: bool) -> None:
        """Delete the keys; end_sessions: the account ends, and is made anew, before that."""
        user, prefix = data["username"], data["prefix"]
        if end_sessions:
            rules = rules_of_prefix(prefix, self._db)
            self._admin.run(end_user(user), make_user(user, data["password"], rules))
        self._delete(prefix)

    def _delete(self, prefix: str) -> None:
        for page in self._admin.pages(f"{glob_quoted(prefix)}*"):
            self._admin.run(("UNLINK", *page))
