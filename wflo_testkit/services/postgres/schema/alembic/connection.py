"""What env.py finds in `config.attributes`: the address, and a connection if it asks for one.

Alembic's cookbook, "Sharing a Connection across one or more programmatic migration commands".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.address import Address
from wflo_testkit.services.postgres.schema.alembic.source import CONNECTION

if TYPE_CHECKING:
    from sqlalchemy import Connection


_SYNC = {"asyncpg": "psycopg"}
"""Asynchronous driver -> the one of a connection that is handed to Alembic."""


class Attributes(dict[str, Any]):
    """A Config's attributes, of which `connection` is opened once somebody asks for it."""

    def __init__(self, plain: dict[str, Any], url: str) -> None:
        super().__init__(plain)
        self._url = url

    def __contains__(self, key: object) -> bool:
        return key == CONNECTION or super().__contains__(key)

    def __missing__(self, key: str) -> Any:
        if key != CONNECTION:
            raise KeyError(key)
        self[CONNECTION] = made = _connect(self._url)
        return made

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def close(self, *, commit: bool) -> None:
        """Close the connection if there is one; what env.py has begun itself is committed first."""
        connection = self.pop(CONNECTION, None)
        if connection is None:
            return
        if commit and not connection.closed:
            connection.commit()
        connection.close()
        connection.engine.dispose()


@contextmanager
def handed_over(config: Any, address: Address, driver: str) -> Iterator[None]:
    """Let env.py find address and connection in `config.attributes`; close that at the end."""
    url = address.sqlalchemy_url(driver)
    plain = {"url": url, "sqlalchemy.url": url, **config.attributes}
    config.attributes = attributes = Attributes(
        plain, address.sqlalchemy_url(_SYNC.get(driver, driver))
    )
    done = False
    try:
        yield
        done = True
    finally:
        attributes.close(commit=done)


def _connect(url: str) -> Connection:
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    class Handed(sqlalchemy.Connection):
        """A connection that env.py may also take for an engine, as older recipes do."""

        def connect(self) -> Handed:
            return self

    return Handed(sqlalchemy.create_engine(url, poolclass=NullPool))
