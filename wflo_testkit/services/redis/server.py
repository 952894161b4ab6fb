"""A running Redis server, as its administrator sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wflo_testkit.model import Server
from wflo_testkit.services.redis.address import Address

SOCKET = "redis.sock"

_REMARK = "Allowing a first arg of an otherwise blocked command is a misuse of ACL"
"""What Redis logs at each rule `+select|<number>` (acl.c), so of each account of a test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer(Server):
    """The server and its administrator's account; tests get accounts of their own."""

    @property
    def address(self) -> Address:
        """The administrator's address as one value."""
        return Address(
            host=self.host,
            port=self.port,
            db=int(self.options.get("db", 0)),
            username=self.username,
            password=self.password,
            scheme=str(self.options.get("scheme", "redis")),
            query=str(self.options.get("query", "")),
        )

    @property
    def socket(self) -> str:
        """The path of its Unix socket on this machine; "" where there is none."""
        path = Path(self.sockets, SOCKET)
        return str(path) if self.sockets and path.is_socket() else ""

    @property
    def internal_address(self) -> Address:
        """The address on the kit's network; an external server has only one."""
        if self.is_external:
            return self.address
        return replace(self.address, host=self.internal_host, port=self.internal_port)

    @property
    def url(self) -> str:
        """redis:// URL of the administrator for a client on this machine."""
        return self.address.url

    @property
    def internal_url(self) -> str:
        """redis:// URL of the administrator for a container on the kit's network."""
        return self.internal_address.url

    def logs(self, since: float | None = None) -> str:
        """Return the container's output like Server.logs, without remarks on the kit's rules."""
        lines = Server.logs(self, since).splitlines(keepends=True)
        return "".join(line for line in lines if _REMARK not in line)

    def env(self) -> dict[str, str]:
        """Return the variables that clients on this machine read."""
        return environment(self.address)

    def internal_env(self) -> dict[str, str]:
        """Return the variables for a container on the kit's network."""
        return environment(self.internal_address)


def environment(address: Address) -> dict[str, str]:
    """Return REDIS_URL and its parts, by the names that applications commonly read."""
    return {
        "REDIS_URL": address.url,
        "REDIS_HOST": address.host,
        "REDIS_PORT": str(address.port),
        "REDIS_DB": str(address.db),
        "REDIS_USERNAME": address.username,
        "REDIS_PASSWORD": address.password,
    }
