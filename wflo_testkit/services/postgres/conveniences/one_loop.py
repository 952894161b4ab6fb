"""What belongs to one event loop: by its mode, `rollback`, or because a test's author says so."""

from __future__ import annotations

from collections.abc import Callable
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

    refusal: makes the error.
    """

    def __init__(self, refusal: Callable[[], IsolationFailed]) -> None:
        self._refusal = refusal
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
            raise self._refusal()


def of_rollback() -> IsolationFailed:
    """Return the error of a second loop in mode `rollback`."""
    return IsolationFailed(
        "postgres_async_session was used in a second event loop, in isolation 'rollback'",
        cause="in this mode the session belongs to one loop: all that the test does "
        "happens in one connection, which cannot follow into another",
        looked_at="a TestClient without `with` runs each request in a loop of its own, "
        "one with `with` in a thread's; asyncio.run makes a new one each time",
        fix="stay in one loop: `with TestClient(app)` around all uses of the session, or "
        "httpx.AsyncClient(transport=httpx.ASGITransport(app)) in an async test; or use "
        "isolation 'database': @pytest.mark.wflo(postgres=\"database\")",
    )


def of_scope(what: str, loop_scope: str) -> IsolationFailed:
    """Return the error of a second loop where there is to be one for a scope. what: a fixture."""
    return IsolationFailed(
        f"{what} was used in a second event loop",
        cause=f"it was made with loop_scope={loop_scope!r}, so it belongs to one loop; this test, "
        "or a fixture, runs in another",
        looked_at="scoped(...), and the loop of whatever runs now",
        fix=f"mark every test that uses it with @pytest.mark.asyncio(loop_scope={loop_scope!r}), "
        f"and its async fixtures with @pytest_asyncio.fixture(loop_scope={loop_scope!r}); with "
        "anyio, give `anyio_backend` that scope, and have one async fixture of that scope",
    )


def _running() -> asyncio.AbstractEventLoop | None:
    import asyncio

    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None
