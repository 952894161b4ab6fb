"""The connections that a test has taken out of an engine and not given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflo_testkit.service import TestContext

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.pool import PoolProxiedConnection


class Checkouts:
    """Watches one engine. Holds on to what is out: otherwise the garbage collector would close
    it at some later moment, and blame the test that runs then."""

    def __init__(self, test: TestContext, fixture: str) -> None:
        self._test = test
        self._fixture = fixture
        self._out: dict[Any, PoolProxiedConnection] = {}

    def watch(self, engine: Engine) -> None:
        """Follow what goes out of the engine's pool and comes back."""
        from sqlalchemy import event

        event.listen(engine, "checkout", self._went_out)
        event.listen(engine, "checkin", self._came_back)
        event.listen(engine, "detach", self._came_back)

    def close_left(self) -> None:
        """Close what is still out, then warn: a warning may be an error, and end this."""
        left, self._out = list(self._out.values()), {}
        for connection in left:
            connection.invalidate()
        if left:
            what = "a connection was" if len(left) == 1 else f"{len(left)} connections were"
            self._test.warn(f"{what} left open by the code that uses {self._fixture}")

    def pids(self) -> list[int]:
        """Return by which process ids the server knows what asyncpg has still out."""
        drivers = [each.driver_connection for each in self._out.values()]
        return [each.get_server_pid() for each in drivers if each is not None]

    def _went_out(self, _driver: Any, record: Any, connection: PoolProxiedConnection) -> None:
        self._out[record] = connection

    def _came_back(self, _driver: Any, record: Any) -> None:
        self._out.pop(record, None)
