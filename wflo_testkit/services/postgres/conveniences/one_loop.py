"""The async session of mode `rollback` belongs to one event loop, as its one connection does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import IsolationFailed

if TYPE_CHECKING:
    import asyncio

    from sqlalchemy import Engine

_WORK = (
    "before_cursor_execute",
    "savepoint",
    "rollback_savepoint",
    "release_savepoint",
    "commit",
    "rollback",
)
"""What an engine does with an open connection (SQLAlchemy's manual, Broker Events)."""


class OneLoop:
    """Keeps the loop of the first connection; work in any other is an error.

    Were a second loop to get a connection of its own, it would not see what the test has done in
    the first; and the end of the first loop rolls that back.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, engine: Engine) -> None:
        """Check whatever is done with connections of `engine`."""
        from sqlalchemy import event

        for name in _WORK:
            event.listen(engine, name, self._check)

    def enter(self) -> None:
        """Note the running loop as the one, or check it. Raises IsolationFailed."""
        self._check()
        self._loop = self._loop or _running()

    def _check(self, *_about: Any) -> None:
        running = _running()
        if None not in (running, self._loop) and running is not self._loop:
            raise IsolationFailed(
                "postgres_async_session was used in a second event loop, in isolation 'rollback'",
                cause="in this mode the session belongs to one loop: all that the test does "
                "happens in one connection, which cannot follow into another",
                looked_at="a TestClient without `with` runs each request in a loop of its own, "
                "one with `with` in a thread's; asyncio.run makes a new one each time",
                fix="stay in one loop: `with TestClient(app)` around all uses of the session, or "
                "httpx.AsyncClient(transport=httpx.ASGITransport(app)) in an async test; or use "
                "isolation 'database': @pytest.mark.wflo(postgres=\"database\")",
            )


def _running() -> asyncio.AbstractEventLoop | None:
    import asyncio

    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None
