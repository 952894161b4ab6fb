"""The async session of mode `rollback` works in one event loop; the other modes' in any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from anyio.from_thread import start_blocking_portal

from tests.services.postgres_server import Asker, asker, server, shared_isolation
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres.conveniences.one_loop import OneLoop

__all__ = ["asker", "server", "shared_isolation"]

metadata = sa.MetaData()
items = sa.Table("items", metadata, sa.Column("id", sa.Integer, primary_key=True))

Loop = Callable[..., Any]
"""Awaits a coroutine function with these arguments in an event loop that nobody else has."""


@contextmanager
def session_of(asker: Asker, mode: str) -> Iterator[Any]:
    with (
        asker.database(mode=mode, schema=metadata) as handle,
        asker.convenience("async_session", handle) as session,
    ):
        yield session


async def flush(session: Any) -> None:
    await session.execute(sa.insert(items).values(id=1))


async def add(session: Any) -> None:
    await flush(session)
    await session.commit()


async def count(session: Any) -> int:
    return int(await session.scalar(sa.select(sa.func.count()).select_from(items)))


async def commit(session: Any) -> None:
    await session.commit()


async def roll_back(session: Any) -> None:
    await session.rollback()


def a_request(work: Loop, *arguments: Any) -> Any:
    """Do what a TestClient without `with` does for each request."""
    with start_blocking_portal() as portal:
        return portal.call(work, *arguments)


@pytest.mark.parametrize("mode", ["database", "schema"])
def test_each_request_finds_what_the_one_before_has_stored(asker: Asker, mode: str) -> None:
    with session_of(asker, mode) as session:
        a_request(add, session)
        assert a_request(count, session) == 1

    assert asker.warnings == []


def test_in_rollback_a_second_request_is_told_to_stay_in_one_loop(asker: Asker) -> None:
    with session_of(asker, "rollback") as session:
        a_request(add, session)
        with pytest.raises(IsolationFailed) as caught:
            a_request(count, session)

    assert "belongs to one loop" in str(caught.value)
    assert "`with TestClient(app)`" in str(caught.value)
    assert 'wflo(postgres="database")' in str(caught.value)
    assert asker.warnings == []


@pytest.mark.parametrize("second", [count, add, commit, roll_back])
def test_a_second_loop_cannot_touch_what_the_first_has_begun(asker: Asker, second: Loop) -> None:
    """The first one still runs, as an async test's does while its TestClient works."""

    async def test(session: Any) -> None:
        await flush(session)
        with pytest.raises(IsolationFailed, match="second event loop"):
            await asyncio.to_thread(a_request, second, session)

    with session_of(asker, "rollback") as session:
        asyncio.run(test(session))

    assert asker.warnings == []
    with session_of(asker, "rollback") as session:
        assert asyncio.run(count(session)) == 0


def test_one_loop_may_stop_and_go_on(asker: Asker) -> None:
    with session_of(asker, "rollback") as session, asyncio.Runner() as runner:
        runner.run(add(session))
        assert runner.run(count(session)) == 1
        with pytest.raises(IsolationFailed), asyncio.Runner() as other:
            other.run(count(session))
        assert runner.run(count(session)) == 1

    assert asker.warnings == []


def test_without_the_check_the_row_vanishes(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: what the check is for."""
    monkeypatch.setattr(OneLoop, "_check", lambda self, *about: None)
    with session_of(asker, "rollback") as session:
        a_request(add, session)
        assert a_request(count, session) == 0
