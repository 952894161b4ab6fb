"""Clears what runs that are over have left on a server that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wflo_testkit.model import Server
from wflo_testkit.services.redis.accounts import end_user
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.services.redis.claims import Claims
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.prefixes import Prefixes
from wflo_testkit.services.redis.server import RedisServer


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Delete the users, keys and claims of `runs`; yields now and then. Raises IsolationFailed."""
    assert isinstance(server, RedisServer)
    admin = Admin(server)
    try:
        for run in runs:
            names = Names.on(server, run)
            _end_users(admin, names)
            Prefixes(server, admin, names).clear()
            yield
        if not server.is_external:  # where nothing is ever claimed, nor flushed
            yield from _end_claims(server, admin, runs)
    finally:
        admin.close()


def _end_claims(server: RedisServer, admin: Admin, runs: Sequence[str]) -> Iterator[None]:
    claims = Claims(admin, "", int(server.options.get("databases", 16)))
    for number in claims.of(runs):
        admin.run(("SELECT", number), ("FLUSHDB", "ASYNC"))
        claims.give_back([number])
        yield


def _end_users(admin: Admin, names: Names) -> None:
    [users] = admin.run(("ACL", "USERS"))
    found = [user.decode() if isinstance(user, bytes) else str(user) for user in users]
    theirs = [user for user in found if user.startswith(names.user(""))]
    if theirs:
        admin.run(*(end_user(user) for user in theirs))
