"""A running Temporal server: one address that clients of every namespace share."""

from __future__ import annotations

from dataclasses import dataclass

from wflo_testkit.model import Server

UI = "ui"
"""Name of the web interface's port, published only when the setting `temporal_ui` asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalServer(Server):
    """The server; tests get a namespace of their own on it."""

    @property
    def address(self) -> str:
        """host:port of the gRPC frontend, for a client on this machine."""
        return f"{self.host}:{self.port}"

    @property
    def internal_address(self) -> str:
        """host:port for a container on the kit's network; "" when the server is external."""
        return f"{self.internal_host}:{self.internal_port}" if self.internal_host else ""

    @property
    def url(self) -> str:
        """The address again: Temporal's clients take host:port, not a URL."""
        return self.address

    @property
    def internal_url(self) -> str:
        return self.internal_address

    @property
    def ui_url(self) -> str:
        """URL of the web interface, "" when it is not running."""
        return f"http://{self.host}:{self.ports[UI]}" if UI in self.ports else ""

    def env(self) -> dict[str, str]:
        """Return the variables that clients on this machine read."""
        return {"TEMPORAL_ADDRESS": self.address}

    def internal_env(self) -> dict[str, str]:
        """Return the variables for a container on the kit's network."""
        return {"TEMPORAL_ADDRESS": self.internal_address}
