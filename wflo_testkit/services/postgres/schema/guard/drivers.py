"""What is guarded, and how each tells where it is about to connect."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from inspect import BoundArguments
from typing import Any

from wflo_testkit.services.postgres.schema.guard import active_guards
from wflo_testkit.services.postgres.schema.guard.connect_functions import Entrance
from wflo_testkit.services.postgres.schema.guard.places import (
    Place,
    of_asyncpg,
    of_libpq,
    of_server,
    of_sqlite,
)

Read = Callable[[BoundArguments], list[Place]]

_LIBPQ = ("host", "hostaddr", "port", "dbname", "user", "service", "servicefile")
_PORTS = {"mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521, "cockroachdb": 26257}


def _look(read: Read, bound: BoundArguments) -> None:
    if guard := active_guards.current():
        guard.check(read(bound), bound.arguments.get("self"))


def _psycopg(bound: BoundArguments) -> list[Place]:
    return _of_psycopg(bound.arguments["conninfo"], bound.arguments["kwargs"])


def _of_psycopg(conninfo: str, options: dict[str, Any]) -> list[Place]:
    from psycopg.conninfo import conninfo_to_dict

    return of_libpq(conninfo_to_dict(conninfo, **{k: options[k] for k in _LIBPQ if k in options}))


def _psycopg2(bound: BoundArguments) -> list[Place]:
    from psycopg2.extensions import make_dsn, parse_dsn

    options = bound.arguments["kwargs"]
    libpq = {key: value for key, value in options.items() if key not in ("async", "async_")}
    return of_libpq(parse_dsn(make_dsn(bound.arguments["dsn"], **libpq)))


def _of_pg8000(options: dict[str, Any]) -> list[Place]:
    host, port = options.get("host") or "localhost", options.get("port") or 5432
    if sock := options.get("sock"):
        peer = sock.getpeername()
        host, port = peer[:2] if isinstance(peer, tuple) else (peer, 0)
    host = options.get("unix_sock") or host
    return [of_server(host, port, options.get("database") or options.get("user") or "")]


def _new_pool(bound: BoundArguments) -> list[Place]:
    """Read a pool of psycopg_pool that begins to connect as soon as it is made."""
    asked = bound.arguments
    return [] if asked["open"] is False else _of_pool(asked["conninfo"], asked["kwargs"])


def _pool(bound: BoundArguments) -> list[Place]:
    pool = bound.arguments["self"]
    return _of_pool(pool.conninfo, pool.kwargs)


def _of_pool(conninfo: Any, options: Any) -> list[Place]:
    """What a callable will say is seen when a worker connects."""
    if callable(conninfo) or callable(options):
        return []
    return _of_psycopg(conninfo or "", options or {})


def _engine(bound: BoundArguments) -> list[Place]:
    """Read an SQLAlchemy engine, whose pool may hold connections that are open already.

    A URL that names nothing goes with a `creator`: the driver is asked when that connects.
    """
    engine = bound.arguments["self"]
    url, backend = engine.url, engine.url.get_backend_name()
    if backend not in ("postgresql", "sqlite"):
        return [of_server(url.host or "", url.port or _PORTS.get(backend, 0), url.database or "")]
    args, options = engine.dialect.create_connect_args(url)
    if backend == "sqlite":
        return of_sqlite(args[0] if args else ":memory:")
    if not (url.host or url.database or url.query.keys() & set(_LIBPQ)):
        return []
    return _READERS.get(engine.dialect.driver, of_libpq)(options)


def _flat(bound: BoundArguments) -> dict[str, Any]:
    return {**bound.arguments, **bound.arguments.get("kwargs", {})}


_READERS: dict[str, Callable[[dict[str, Any]], list[Place]]] = {
    "asyncpg": of_asyncpg,
    "pg8000": _of_pg8000,
}
"""SQLAlchemy's driver -> how its arguments are read; the others take libpq's."""


def _inherit(bound: BoundArguments) -> None:
    active_guards.inherit(bound.arguments["self"])


def _entrance(module: str, path: str, read: Read) -> Entrance:
    return Entrance(module, path, partial(_look, read))


ENTRANCES = (
    Entrance("threading", "Thread.start", _inherit),
    _entrance("sqlalchemy", "Engine.raw_connection", _engine),
    _entrance("psycopg", "Connection.connect", _psycopg),
    _entrance("psycopg", "AsyncConnection.connect", _psycopg),
    _entrance("psycopg_pool", "ConnectionPool.__init__", _new_pool),
    _entrance("psycopg_pool", "ConnectionPool.open", _pool),
    _entrance("psycopg_pool", "ConnectionPool.getconn", _pool),
    _entrance("psycopg_pool", "AsyncConnectionPool.__init__", _new_pool),
    _entrance("psycopg_pool", "AsyncConnectionPool.open", _pool),
    _entrance("psycopg_pool", "AsyncConnectionPool.getconn", _pool),
    _entrance("psycopg2", "connect", _psycopg2),
    _entrance("asyncpg", "connect", lambda bound: of_asyncpg(_flat(bound))),
    _entrance("pg8000", "core.CoreConnection.__init__", lambda bound: _of_pg8000(_flat(bound))),
)


@cache
def hear_of_sqlite() -> None:
    """Refuse sqlite files from now on in guarded threads.

    sqlite3 is written in C, but tells of each connection before it opens it (Python manual,
    "Audit events table": sqlite3.connect). A hook cannot be taken out again.
    """
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect" and (guard := active_guards.current()):
        guard.check(of_sqlite(args[0]), None)
