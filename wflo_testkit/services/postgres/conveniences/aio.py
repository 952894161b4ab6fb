"""`async_engine` and `async_session`: SQLAlchemy on asyncpg, given out by sync fixtures.

No connection outlives a transaction (NullPool), and the rest is closed inside the event loop in
which it was opened (LoopBound): so they work whichever plugin runs the loop, and for how long.
"""

from __future__ import annotations

import _socket
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from wflo_testkit.aio import LoopBound
from wflo_testkit.service import TestContext
from wflo_testkit.services.postgres.conveniences.checkouts import Checkouts
from wflo_testkit.services.postgres.conveniences.dialects import share
from wflo_testkit.services.postgres.conveniences.one_loop import OneLoop, of_rollback, of_scope
from wflo_testkit.services.postgres.conveniences.rollback import session_class
from wflo_testkit.services.postgres.handle import PostgresDatabase, no_connections_of_your_own

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession


def async_engine(handle: PostgresDatabase, test: TestContext) -> Iterator[AsyncEngine]:
    """Yield an engine that connects when first used. Raises IsolationFailed without a URL."""
    if not handle.gives_url:
        raise no_connections_of_your_own("postgres_async_engine", handle.mode)
    from sqlalchemy.util import greenlet_spawn

    opened = Checkouts(test, "postgres_async_engine")

    async def close() -> None:
        await greenlet_spawn(opened.close_left)

    bound = LoopBound(close)
    only = _only_loop(handle, test, "postgres_async_engine")
    try:
        with handle.resets.taking_part(lambda: _let_go(bound, opened)):
            yield _engine(handle, opened, bound, only)
    finally:
        bound.finish()


def async_session(handle: PostgresDatabase, test: TestContext) -> Iterator[AsyncSession]:
    """Yield a session; what it has not committed is rolled back at the end.

    Objects stay readable after a commit (expire_on_commit=False), as SQLAlchemy advises for
    asyncio: reading an expired attribute would need an await. Where the mode gives no URL, or it
    was made with `loop_scope`, its use in a second event loop raises IsolationFailed. Else a second
    loop finds it as new: at the end of the first it was rolled back and closed.
    """
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.util import greenlet_spawn

    opened = Checkouts(test, "postgres_async_session")

    async def close() -> None:
        if not handle.gives_url:
            await made.run_sync(lambda inner: inner.end())  # type: ignore[attr-defined]
        await made.close()
        await greenlet_spawn(opened.close_left)

    bound = LoopBound(close)
    only = _only_loop(handle, test, "postgres_async_session")
    base = _engine(handle, opened, bound, only)
    if not handle.gives_url:
        made = AsyncSession(
            sync_session_class=session_class(),
            engine=lambda: base.sync_engine,
            expire_on_commit=False,
        )
    else:
        made = AsyncSession(base, expire_on_commit=False)

    def let_go() -> list[int]:
        return _let_go(bound, opened, made.sync_session.invalidate if handle.gives_url else drop)

    def drop() -> None:
        made.sync_session.end(invalidate=True)  # type: ignore[attr-defined]

    try:
        with handle.resets.taking_part(let_go):
            yield made
    finally:
        bound.finish()


def _only_loop(handle: PostgresDatabase, test: TestContext, what: str) -> OneLoop | None:
    """Return the check where `what` belongs to one event loop, None where any loop will do."""
    if not handle.gives_url:
        return OneLoop(of_rollback)
    return OneLoop(partial(of_scope, what, test.loop_scope)) if test.loop_scope else None


def _let_go(
    bound: LoopBound, opened: Checkouts, invalidate: Callable[[], None] = lambda: None
) -> list[int]:
    """Close what is open in each loop, in that loop; return what could not be closed.

    Where the loop runs in this very thread nothing can be awaited: its connections are cut off.
    Until it goes on, the server takes them for open; these are their process ids there.
    """
    bound.close_elsewhere()
    left = opened.pids()
    invalidate()
    opened.close_left()
    return left


def _engine(
    handle: PostgresDatabase, opened: Checkouts, bound: LoopBound, only: OneLoop | None = None
) -> AsyncEngine:
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    address = handle.address()
    keywords = address.asyncpg_keywords()
    if handle.speaks_tls is False:
        keywords["ssl"] = False

    async def connect() -> Any:
        """Connect inside the test's event loop, in the quickest way that works."""
        if only is not None:
            only.enter()
        await bound.enter()
        *quicker, (host, port) = handle.ways
        for folder, number in quicker if _may_connect_to_folders() else ():
            with suppress(OSError):
                return await asyncpg.connect(**keywords | {"host": folder, "port": number})
        return await asyncpg.connect(**keywords | {"host": host, "port": port})

    engine = create_async_engine(
        address.sqlalchemy_url("asyncpg"), async_creator=connect, poolclass=NullPool
    )
    opened.watch(engine.sync_engine)
    if only is not None:
        only.watch(engine.sync_engine)
    share(engine.sync_engine, handle)
    return engine


def _may_connect_to_folders() -> bool:
    """Whether nothing stands in for what connects Python's sockets.

    What does, pytest-socket's list of hosts say, or httpretty, knows addresses only; and its
    refusal is a warning as well, which may be an error.
    """
    return socket.socket.connect is _socket.socket.connect
