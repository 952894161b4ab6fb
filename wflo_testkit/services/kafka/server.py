"""A running Kafka broker."""

from __future__ import annotations

from dataclasses import dataclass

from wflo_testkit.model import Server

INTERNAL_PORT = 9093
"""Port of the listener BROKER, which advertises the container's name on the kit's network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaServer(Server):
    """The broker's addresses: one for this machine, one for containers on the kit's network."""

    @property
    def bootstrap_servers(self) -> str:
        """host:port for a client on this machine; several with commas when external."""
        return str(self.options.get("bootstrap_servers") or f"{self.host}:{self.port}")

    @property
    def url(self) -> str:
        """The same as `bootstrap_servers`: Kafka has no URLs."""
        return self.bootstrap_servers

    @property
    def internal_port(self) -> int:
        """The port for containers on the kit's network.

        Not the container's side of the published port: that listener sends its clients on to
        the published address, which they cannot reach.
        """
        return INTERNAL_PORT

    @property
    def internal_bootstrap_servers(self) -> str:
        """host:port for a container on the kit's network; an external server has one address."""
        if self.is_external:
            return self.bootstrap_servers
        return f"{self.internal_host}:{self.internal_port}"

    @property
    def internal_url(self) -> str:
        """The same as `internal_bootstrap_servers`."""
        return self.internal_bootstrap_servers

    def env(self) -> dict[str, str]:
        """Return the variables that clients on this machine read."""
        return environment(self.bootstrap_servers)

    def internal_env(self) -> dict[str, str]:
        """Return the variables for a container on the kit's network."""
        return environment(self.internal_bootstrap_servers)


def environment(bootstrap_servers: str) -> dict[str, str]:
    """Return the variables by the names that applications commonly read."""
    return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}
