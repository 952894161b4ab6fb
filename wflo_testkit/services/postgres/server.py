"""A running Postgres server, as its administrator sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wflo_testkit.model import Json, Server
from wflo_testkit.services.postgres.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer(Server):
    """The server and its administrator's account; tests get an account of their own."""

    # The parameters of an external one are among them, and may hold a secret.
    options: Mapping[str, Json] = field(default_factory=dict, repr=False)

    @property
    def user(self) -> str:
        return self.username

    @property
    def database(self) -> str:
        """The database that exists from the start."""
        return str(self.options.get("database", "postgres"))

    @property
    def address(self) -> Address:
        return self._address(self.host, self.port)

    @property
    def url(self) -> str:
        """libpq URI for a client on this machine."""
        return self.address.url()

    @property
    def keywords(self) -> dict[str, object]:
        """psycopg's keywords for the kit itself: by its Unix socket, if that is on this machine.

        libpq tries the second address where the first does not answer.
        """
        keywords = self.address.keywords()
        if self.sockets and Path(self.sockets, f".s.PGSQL.{self.internal_port}").is_socket():
            keywords["host"] = f"{self.sockets},{self.host}"
            keywords["port"] = f"{self.internal_port},{self.port}"
        return keywords

    @property
    def internal_url(self) -> str:
        """libpq URI for a container on the kit's network."""
        return self._address(self.internal_host, self.internal_port).url()

    def env(self) -> dict[str, str]:
        """Return the variables that clients on this machine read."""
        return environment(self.address)

    def internal_env(self) -> dict[str, str]:
        """Return the variables for a container on the kit's network."""
        return environment(self._address(self.internal_host, self.internal_port))

    def _address(self, host: str, port: int) -> Address:
        return Address(
            host=host,
            port=port,
            user=self.username,
            password=self.password,
            database=self.database,
            parameters=self.options.get("parameters", {}),
        )


def environment(address: Address) -> dict[str, str]:
    """Return DATABASE_URL and libpq's own variables (PostgreSQL manual, libpq environment)."""
    values = {
        "DATABASE_URL": address.url(),
        "PGHOST": address.host,
        "PGPORT": str(address.port),
        "PGUSER": address.user,
        "PGPASSWORD": address.password,
        "PGDATABASE": address.database,
    }
    if "options" in address.parameters:
        values["PGOPTIONS"] = address.parameters["options"]
    if "sslmode" in address.parameters:
        values["PGSSLMODE"] = address.parameters["sslmode"]
    return values
