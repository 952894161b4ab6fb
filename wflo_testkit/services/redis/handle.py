"""One test's private part of a Redis server."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from wflo_testkit.reset import Reset
from wflo_testkit.service import Lease, TestContext, plain
from wflo_testkit.services.redis.address import Address
from wflo_testkit.services.redis.server import RedisServer, environment


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisDatabase:
    """Number, address and account of a part of Redis that only this test sees.

    prefix: what every key and channel of the test has to begin with; "" in isolation `database`.
    username: may select `db` only and, with a prefix, use nothing outside it.
    kept_command: opens the database after a failed test. resets: see `reset`.
    It holds no live connection.
    """

    address: Address = field(repr=False)
    internal_address: Address = field(repr=False)
    host: str
    port: int
    db: int
    username: str
    password: str = field(repr=False)
    prefix: str
    kept_command: str = field(default="", repr=False)
    resets: Reset = field(default_factory=Reset, repr=False, compare=False)

    def reset(self) -> None:
        """Make it what it was when it was given out: empty, under the same address and account.

        Idle connections live; where one is in the middle of something (a transaction, a watch, a
        subscription, a wait) all of the account's end, and that one is warned about. Functions
        that were loaded go, unless another test may have loaded them. Raises IsolationFailed.
        """
        self.resets()

    @property
    def url(self) -> str:
        """redis:// URL for a client on this machine."""
        return self.address.url

    @property
    def internal_url(self) -> str:
        """redis:// URL for a container on the kit's network."""
        return self.internal_address.url

    def env(self) -> dict[str, str]:
        """Return REDIS_URL, its parts and REDIS_PREFIX."""
        return environment(self.address) | {"REDIS_PREFIX": self.prefix}

    def internal_env(self) -> dict[str, str]:
        """Return the same for a container on the kit's network."""
        return environment(self.internal_address) | {"REDIS_PREFIX": self.prefix}


def database(lease: Lease, test: TestContext) -> AbstractContextManager[RedisDatabase]:
    """Build the handle from what the isolation said."""
    server, data = lease.server, lease.data
    assert isinstance(server, RedisServer)
    account = {name: data[name] for name in ("db", "username", "password")}
    address = replace(server.address, **account)
    return plain(
        RedisDatabase(
            address=address,
            internal_address=replace(server.internal_address, **account),
            host=address.host,
            port=address.port,
            db=address.db,
            username=address.username,
            password=address.password,
            prefix=data["prefix"],
            kept_command=_opening(server, address.db),
            resets=Reset(lease.call, test.warn),
        )
    )


def _opening(server: RedisServer, db: int) -> str:
    """Return the command that opens a logical database as the server's administrator.

    It holds no password, since reports are kept by others: in the kit's container REDISCLI_AUTH
    does, and that of an external server is known to whoever has set its address.
    """
    user = f" --user {shlex.quote(server.username)}" if server.username else ""
    if server.container_id:
        return f"docker exec -it {server.container_id[:12]} redis-cli{user} -n {db}"
    asks = " --askpass" if server.password else ""
    tls = " --tls" if server.address.scheme == "rediss" else ""
    return f"redis-cli -h {server.host} -p {server.port}{tls}{user}{asks} -n {db}"


def refused(lease: Lease, _failure: str) -> list[str]:
    """Return what the server has refused the lease's account. Raises TestkitError."""
    return list(lease.call("refused"))
