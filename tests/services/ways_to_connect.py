"""Ways in which a project's code opens a database: each guarded driver, in several spellings.

A way is called with host, port and database of a Postgres, or with the path of an sqlite file.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import connect as sqlite3_connect_by_name
from typing import Any

import aiosqlite
import asyncpg
import pg8000.dbapi
import pg8000.native
import psycopg
import psycopg2
import psycopg2.extras
import psycopg2.pool
import psycopg_pool
import sqlalchemy as sa
from asyncpg import connect as asyncpg_by_name
from psycopg import connect as psycopg_by_name
from psycopg2 import connect as psycopg2_by_name
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

Way = Callable[[str, int, str], Any]
FileWay = Callable[[Path], Any]
WAIT = 5
"""Seconds; most servers that these tests speak to answer nothing sensible."""
SHORTLY = 0.2
"""Seconds that a pool of psycopg's is given for a connection."""


class Custom(psycopg.Connection[Any]):
    """A project's own class of connection."""


class Repository:
    """Holds the function as a class does, from before any guard."""

    connect = staticmethod(psycopg.connect)


def url(host: str, port: int, database: str, driver: str = "") -> str:
    at = f"[{host}]" if ":" in host else host
    return f"postgresql{driver}://u:secret@{at}:{port}/{database}"


def dsn(host: str, port: int, database: str) -> str:
    return f"host={host} port={port} dbname={database} user=u password=secret"


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), WAIT))


def engine(driver: str, *args: Any, **options: Any) -> sa.Engine:
    return sa.create_engine(url(*args, f"+{driver}"), **options)


def session(*args: Any) -> Any:
    with Session(engine("psycopg", *args)) as made:
        return made.execute(sa.text("SELECT 1"))


async def async_engine(made: str) -> None:
    engine = create_async_engine(made)
    try:
        async with engine.begin():
            pass
    finally:
        await engine.dispose()


def psycopg_s_pool(*args: Any) -> None:
    with psycopg_pool.ConnectionPool(url(*args), open=True) as pool:
        pool.wait(SHORTLY)


async def psycopg_s_async_pool(*args: Any) -> None:
    pool = psycopg_pool.AsyncConnectionPool(url(*args), open=False)
    try:
        await pool.open(wait=True, timeout=SHORTLY)
    finally:
        await pool.close()


async def asyncpg_pool(*args: Any) -> None:
    async with asyncpg.create_pool(url(*args), min_size=1):
        pass


def in_a_thread(work: Callable[[], Any]) -> None:
    """Raise in this thread what `work` raises in another."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(WAIT)


def in_two_threads(work: Callable[[], Any]) -> None:
    """Run `work` in a thread that a thread starts."""
    failure: list[BaseException] = []

    def inner() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised below
            failure.append(error)

    outer = threading.Thread(target=lambda: _joined(threading.Timer(0, inner)))
    _joined(outer)
    if failure:
        raise failure[0]


def _joined(thread: threading.Thread) -> None:
    thread.start()
    thread.join(WAIT)


POSTGRES: dict[str, Way] = {
    "psycopg.connect": lambda *at: psycopg.connect(url(*at)),
    "psycopg.connect, keywords": lambda h, p, d: psycopg.connect(host=h, port=p, dbname=d),
    "psycopg.connect, dsn and keyword": lambda h, p, d: psycopg.connect(dsn(h, p, "x"), dbname=d),
    "psycopg.connect by name": lambda *at: psycopg_by_name(url(*at)),
    "psycopg.Connection.connect": lambda *at: psycopg.Connection.connect(dsn(*at)),
    "psycopg, subclass": lambda *at: Custom.connect(url(*at)),
    "psycopg, partial": lambda *at: functools.partial(psycopg_by_name, url(*at))(autocommit=True),
    "psycopg, held by a class": lambda *at: Repository.connect(url(*at)),
    "psycopg.AsyncConnection": lambda *at: run(lambda: psycopg.AsyncConnection.connect(url(*at))),
    "psycopg in a thread": lambda *at: in_a_thread(lambda: psycopg.connect(url(*at))),
    "psycopg in a thread's thread": lambda *at: in_two_threads(lambda: psycopg.connect(url(*at))),
    "psycopg_pool": psycopg_s_pool,
    "psycopg_pool, async": lambda *at: run(lambda: psycopg_s_async_pool(*at)),
    "psycopg2.connect": lambda *at: psycopg2.connect(dsn(*at)),
    "psycopg2.connect, url": lambda *at: psycopg2.connect(url(*at)),
    "psycopg2.connect, keywords": lambda h, p, d: psycopg2.connect(host=h, port=p, database=d),
    "psycopg2.connect by name": lambda *at: psycopg2_by_name(dsn(*at)),
    "psycopg2, factory": lambda *at: psycopg2.connect(
        dsn(*at), connection_factory=psycopg2.extras.LoggingConnection
    ),
    "psycopg2.pool": lambda *at: psycopg2.pool.SimpleConnectionPool(1, 2, dsn(*at)),
    "psycopg2.pool, threaded": lambda *at: psycopg2.pool.ThreadedConnectionPool(1, 2, dsn(*at)),
    "asyncpg.connect": lambda *at: run(lambda: asyncpg.connect(url(*at))),
    "asyncpg.connect, keywords": lambda h, p, d: run(
        lambda: asyncpg.connect(host=h, port=p, database=d, user="u")
    ),
    "asyncpg.connect by name": lambda *at: run(lambda: asyncpg_by_name(url(*at))),
    "asyncpg.create_pool": lambda *at: run(lambda: asyncpg_pool(*at)),
    "pg8000.dbapi": lambda h, p, d: pg8000.dbapi.connect("u", host=h, port=p, database=d),
    "pg8000.native": lambda h, p, d: pg8000.native.Connection("u", h, d, p),
    "pg8000 legacy": lambda h, p, d: pg8000.connect("u", host=h, port=p, database=d),
    "engine on psycopg": lambda *at: engine("psycopg", *at).connect(),
    "engine on psycopg2": lambda *at: engine("psycopg2", *at).raw_connection(),
    "engine on pg8000": lambda *at: engine("pg8000", *at, poolclass=NullPool).begin().__enter__(),
    "engine with a creator": lambda *at: sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url(*at))
    ).connect(),
    "engine with connect_args": lambda h, p, d: sa.create_engine(
        "postgresql+psycopg2://", connect_args={"host": h, "port": p, "dbname": d}
    ).connect(),
    "engine's own pool": lambda *at: engine("psycopg", *at).pool.connect(),
    "async engine on asyncpg": lambda *at: run(lambda: async_engine(url(*at, "+asyncpg"))),
    "async engine on psycopg": lambda *at: run(lambda: async_engine(url(*at, "+psycopg"))),
    "session": session,
}


async def aiosqlite_file(path: Path) -> None:
    connection = aiosqlite.connect(path)
    try:
        async with connection:
            pass
    finally:  # after a refusal, too, its thread still has something to tell the loop
        await asyncio.to_thread(connection._thread.join, WAIT)


def sqlite_engine(url: str, **options: Any) -> sa.Engine:
    """Return one whose connections are closed when they are given back."""
    return sa.create_engine(url, poolclass=NullPool, **options)


SQLITE: dict[str, FileWay] = {
    "sqlite3.connect": sqlite3.connect,
    "sqlite3.connect by name": lambda path: sqlite3_connect_by_name(str(path)),
    "sqlite3.Connection": lambda path: sqlite3.Connection(str(path)),
    "sqlite3, uri": lambda path: sqlite3.connect(f"file:{path}?mode=rwc", uri=True),
    "sqlite3, partial": lambda path: functools.partial(sqlite3.dbapi2.connect, path)(timeout=1),
    "sqlite3 in a thread": lambda path: in_a_thread(lambda: sqlite3.connect(path)),
    "aiosqlite": lambda path: run(lambda: aiosqlite_file(path)),
    "engine": lambda path: sqlite_engine(f"sqlite:///{path}").connect(),
    "engine, uri": lambda path: sqlite_engine(f"sqlite:///file:{path}?uri=true").connect(),
    "engine with a creator": lambda path: sqlite_engine(
        "sqlite://", creator=lambda: sqlite3.connect(path)
    ).connect(),
    "async engine": lambda path: run(lambda: async_engine(f"sqlite+aiosqlite:///{path}")),
}

IN_MEMORY: dict[str, Callable[[], Any]] = {
    "sqlite3": lambda: sqlite3.connect(":memory:"),
    "sqlite3, uri": lambda: sqlite3.connect("file:shop?mode=memory&cache=shared", uri=True),
    "sqlite3, nameless": lambda: sqlite3.connect(""),
    "aiosqlite": lambda: run(lambda: aiosqlite_file(Path(":memory:"))),
    "engine": lambda: sqlite_engine("sqlite://").connect(),
    "engine, named": lambda: sqlite_engine("sqlite:///:memory:").connect(),
    "engine, uri": lambda: sqlite_engine("sqlite:///file:m?mode=memory&uri=true").connect(),
    "async engine": lambda: run(lambda: async_engine("sqlite+aiosqlite://")),
}
