"""Clears what other runs have left on a server that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from wflo_testkit.dated import without_session
from wflo_testkit.services.redis.accounts import end_user, glob_quoted
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.services.redis.claims import Claims
from wflo_testkit.services.redis.names import USERS, Names
from wflo_testkit.services.redis.server import RedisServer


def abandoned(server: RedisServer) -> set[str]:
    """Return the dated runs that have users or keys there, and no connection."""
    with closing(Admin(server)) as admin:
        names = Names.on(server, "")
        runs = USERS.runs(_users(admin))
        for page in admin.pages(f"{glob_quoted(names.start)}wflo_*"):
            runs |= names.keys.runs(map(_text, page))
        [clients] = admin.run(("CLIENT LIST",))
        told = (str(client.get(word)) for client in clients for word in ("name", "user"))
        return without_session(runs, told)


def sweep(server: RedisServer, runs: Sequence[str]) -> Iterator[None]:
    """Delete the users, keys and claims of `runs`; yields now and then. Raises IsolationFailed."""
    with closing(Admin(server)) as admin:
        for run in runs:
            if users := [user for user in _users(admin) if USERS.is_of(run, user)]:
                admin.run(*map(end_user, users))
            keys = Names.on(server, run).keys
            for page in admin.pages(f"{glob_quoted(keys.stem(run))}*"):
                if ours := [key for key in page if keys.is_of(run, _text(key))]:
                    admin.run(("UNLINK", *ours))
                yield
        if not server.is_external:  # where nothing is ever claimed, nor flushed
            yield from _end_claims(server, admin, runs)


def _end_claims(server: RedisServer, admin: Admin, runs: Sequence[str]) -> Iterator[None]:
    claims = Claims(admin, "", int(server.options.get("databases", 16)))
    for number in claims.of(runs):
        admin.run(("SELECT", number), ("FLUSHDB", "ASYNC"))
        claims.give_back([number])
        yield


def _users(admin: Admin) -> list[str]:
    [users] = admin.run(("ACL", "USERS"))
    return [user.decode() if isinstance(user, bytes) else str(user) for user in users]


def _text(key: bytes) -> str:
    return key.decode(errors="surrogateescape")
