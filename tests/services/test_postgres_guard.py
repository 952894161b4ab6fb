"""While a guard is active, no guarded driver connects elsewhere: not even TCP gets that far."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import asyncpg
import pg8000.core
import psycopg
import psycopg2
import pytest
import sqlalchemy as sa

from tests.services.ways_to_connect import IN_MEMORY, POSTGRES, SQLITE, WAIT, url
from wflo_testkit.services.postgres.schema.guard import Elsewhere, Guard, drivers
from wflo_testkit.services.postgres.schema.guard.drivers import ENTRANCES

OWN = "postgresql://u:secret@127.0.0.1:1/own"
"""Nobody listens there, so that what is let through fails at once."""

# What is refused is never closed by its driver, and some drivers say so when they are collected.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """Collect what drivers have left here, where its warnings are ignored, not in another file."""
    yield
    gc.collect()


class Listener:
    """Stands where the developer's own server would: counts who connects, and hangs up."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._socket = socket.create_server((self.host, 0))
        self.port = int(self._socket.getsockname()[1])
        self.callers = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                self.callers += 1
                caller.close()

    def called(self) -> int:
        """Return how many have connected by now: our own call is the last in the queue."""
        with socket.create_connection((self.host, self.port), timeout=WAIT) as link:
            assert link.recv(1) == b""
        return self.callers - 1

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(WAIT)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def guard(root: Path, *connects_to: str, **options: Any) -> Guard:
    return Guard(OWN, connects_to=connects_to, root=root, **options)


@pytest.mark.parametrize("way", POSTGRES)
def test_nobody_connects_elsewhere(listener: Listener, tmp_path: Path, way: str) -> None:
    with guard(tmp_path) as active, pytest.raises(Elsewhere) as caught:
        POSTGRES[way](listener.host, listener.port, "dev")

    assert listener.called() == 0
    assert caught.value.address == f"localhost:{listener.port}/dev"
    assert active.refused[0].address == caught.value.address
    assert "secret" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("way", POSTGRES)
def test_a_guard_that_refuses_nothing_is_seen_by_the_listener(
    listener: Listener, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guard, "check", lambda *_: None)
    with guard(tmp_path), pytest.raises(Exception) as caught:
        POSTGRES[way](listener.host, listener.port, "dev")

    assert not isinstance(caught.value, Elsewhere)
    assert listener.called() > 0


@pytest.mark.slow
@pytest.mark.parametrize("way", POSTGRES)
def test_a_connection_to_the_test_s_own_database_goes_through(
    listener: Listener, tmp_path: Path, way: str
) -> None:
    own = Guard(url("::1", listener.port, "own"), root=tmp_path)
    with own, pytest.raises(Exception) as caught:
        POSTGRES[way]("127.0.0.1", listener.port, "own")

    assert not isinstance(caught.value, Elsewhere)
    assert own.refused == []
    assert listener.called() > 0


def test_another_database_of_the_same_server_is_elsewhere(tmp_path: Path) -> None:
    with guard(tmp_path), pytest.raises(Elsewhere, match="localhost:1/dev"):
        psycopg.connect(OWN, dbname="dev")


def test_the_setting_lets_connections_through(listener: Listener, tmp_path: Path) -> None:
    meant = f"localhost:{listener.port}/dev"
    with guard(tmp_path, meant, "data/a.sqlite"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url("127.0.0.1", listener.port, "dev"))
        with pytest.raises(Elsewhere):
            psycopg.connect(url("127.0.0.1", listener.port, "other"))
        (tmp_path / "data").mkdir()
        sqlite3.connect(tmp_path / "data/a.sqlite").close()
        with pytest.raises(Elsewhere):
            sqlite3.connect(tmp_path / "a.sqlite")


def test_one_of_several_hosts_is_enough_to_refuse(listener: Listener, tmp_path: Path) -> None:
    hosts = f"host=127.0.0.1,127.0.0.1 port=1,{listener.port} dbname=own user=u"
    with guard(tmp_path), pytest.raises(Elsewhere):
        psycopg.connect(hosts)

    assert listener.called() == 0


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg", "engine"])
def test_what_is_not_said_is_read_from_the_environment(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.setenv("PGHOST", listener.host)
    monkeypatch.setenv("PGPORT", str(listener.port))
    monkeypatch.setenv("PGDATABASE", "dev")
    calls = {
        "psycopg": psycopg.connect,
        "psycopg2": lambda: psycopg2.connect(""),
        "asyncpg": lambda: asyncio.run(asyncpg.connect()),
        "engine": lambda: sa.create_engine("postgresql+psycopg://").connect(),
    }
    with guard(tmp_path), pytest.raises(Elsewhere, match=f"localhost:{listener.port}/dev"):
        calls[driver]()

    assert listener.called() == 0


# -- sqlite, and other dialects


def close(opened: Any) -> None:
    if opened is not None:
        opened.close()


@pytest.mark.parametrize("way", SQLITE)
def test_an_sqlite_file_is_elsewhere_and_is_not_made(tmp_path: Path, way: str) -> None:
    path = tmp_path / "dev.sqlite"
    with guard(tmp_path) as active, pytest.raises(Elsewhere, match=r"dev\.sqlite"):
        SQLITE[way](path)

    assert not path.exists()
    assert {each.address for each in active.refused} == {str(path)}


@pytest.mark.parametrize("way", SQLITE)
def test_a_guard_that_refuses_nothing_makes_the_sqlite_file(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guard, "check", lambda *_: None)
    path = tmp_path / "dev.sqlite"
    with guard(tmp_path):
        close(SQLITE[way](path))

    assert path.exists()


@pytest.mark.parametrize("way", IN_MEMORY)
def test_sqlite_in_memory_is_not_elsewhere(tmp_path: Path, way: str) -> None:
    with guard(tmp_path) as active:
        close(IN_MEMORY[way]())

    assert active.refused == []


@pytest.mark.parametrize("name", ["mysql+pymysql", "mssql+pymssql", "oracle+oracledb"])
def test_an_engine_of_another_dialect_is_elsewhere_whatever_its_fake_driver(
    tmp_path: Path, name: str
) -> None:
    driver = mock.MagicMock(paramstyle="named", version="3.0.0", Error=sqlite3.Error)
    made = sa.create_engine(f"{name}://u:secret@db/app", module=driver)
    with guard(tmp_path), pytest.raises(Elsewhere, match=r"to db:\d+/app was refused"):
        made.connect()

    driver.connect.assert_not_called()


def test_an_engine_s_open_connection_elsewhere_is_not_used(tmp_path: Path) -> None:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'dev.sqlite'}")
    with made.begin() as connection:
        connection.execute(sa.text("CREATE TABLE a (id int)"))
    with guard(tmp_path), pytest.raises(Elsewhere, match=r"dev\.sqlite"):
        made.connect()
    with made.begin() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM a")) == 0
    made.dispose()


# -- threads


def test_other_threads_connect_where_they_like(listener: Listener, tmp_path: Path) -> None:
    entered, tried = threading.Event(), threading.Event()
    answers: list[BaseException] = []

    def work() -> None:
        assert entered.wait(WAIT)
        for connect in (psycopg.connect, psycopg2.connect, engine_connect):
            try:
                connect(url(listener.host, listener.port, "dev"))
            except Exception as error:  # noqa: BLE001 - looked at below
                answers.append(error)
        sqlite3.connect(tmp_path / "theirs.sqlite").close()
        tried.set()

    def engine_connect(text: str) -> None:
        sa.create_engine(text.replace("postgresql:", "postgresql+psycopg:")).connect()

    other = threading.Thread(target=work)
    other.start()
    with guard(tmp_path) as active:
        entered.set()
        assert tried.wait(WAIT)
    other.join(WAIT)

    assert active.refused == []
    assert [isinstance(each, Elsewhere) for each in answers] == [False] * 3
    assert listener.called() >= 3


def test_a_guard_of_the_whole_process_guards_other_threads(tmp_path: Path) -> None:
    entered = threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        assert entered.wait(WAIT)
        try:
            psycopg.connect(url("127.0.0.1", 1, "dev"))
        except Elsewhere as error:
            failure.append(error)

    other = threading.Thread(target=work)
    other.start()
    with guard(tmp_path, whole_process=True) as active:
        entered.set()
        other.join(WAIT)

    assert failure == active.refused != []


def test_two_guards_in_two_threads_see_their_own_address(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=WAIT)
    seen: dict[str, list[str]] = {}

    def work(own: str) -> None:
        with Guard(url("localhost", 1, own), root=tmp_path) as active:
            both.wait()
            for name in ("a", "b"):
                with contextlib.suppress(psycopg.OperationalError, Elsewhere):
                    psycopg.connect(url("localhost", 1, name))
            both.wait()
        seen[own] = [each.address for each in active.refused]

    threads = [threading.Thread(target=work, args=(own,)) for own in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)

    assert seen == {"a": ["localhost:1/b"], "b": ["localhost:1/a"]}


def test_the_inner_of_two_guards_counts(tmp_path: Path) -> None:
    with guard(tmp_path) as outer:
        with Guard(url("localhost", 1, "inner"), root=tmp_path) as inner:
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url("localhost", 1, "inner"))
            with pytest.raises(Elsewhere):
                psycopg.connect(OWN)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(OWN)
        with pytest.raises(Elsewhere):
            psycopg.connect(url("localhost", 1, "inner"))

    assert (len(outer.refused), len(inner.refused)) == (1, 1)


def test_a_thread_that_outlives_its_guard_is_free(listener: Listener, tmp_path: Path) -> None:
    over = threading.Event()
    answers: list[BaseException] = []

    def work() -> None:
        assert over.wait(WAIT)
        try:
            psycopg.connect(url(listener.host, listener.port, "dev"))
        except psycopg.OperationalError as error:
            answers.append(error)

    with guard(tmp_path):
        thread = threading.Thread(target=work)
        thread.start()
    with Guard(url("localhost", 1, "next"), root=tmp_path):
        over.set()
        thread.join(WAIT)

    assert len(answers) == 1


# -- everything else stays as it was


def functions() -> list[Any]:
    return [entrance.function() for entrance in ENTRANCES]


def test_leaving_restores_everything_even_after_an_error(tmp_path: Path) -> None:
    before = [(f, f.__code__, dict(vars(f))) for f in functions()]
    finders = list(sys.meta_path)

    def fail() -> None:
        with guard(tmp_path), guard(tmp_path):
            assert all(f.__code__ is not code for f, code, _ in before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert [(f, f.__code__, dict(vars(f))) for f in functions()] == before
    assert sys.meta_path == finders
    assert len(before) == len(ENTRANCES)


def test_a_driver_that_is_loaded_again_meanwhile_is_guarded_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg2, "connect", psycopg2.connect)  # back to it at the end
    before = [(f, f.__code__, dict(vars(f))) for f in functions()]
    first = psycopg2.connect
    code = first.__code__
    with guard(tmp_path):
        importlib.reload(psycopg2)
        importlib.reload(psycopg)
        for connect in (first, psycopg2.connect, psycopg.connect):
            with pytest.raises(Elsewhere):
                connect(url("localhost", 1, "dev"))

    assert first.__code__ is code
    assert psycopg2.connect.__code__ == code
    after = [(f, f.__code__, dict(vars(f))) for f in functions() if f is not psycopg2.connect]
    assert after == [each for each in before if each[0] is not first]


def test_what_is_replaced_looks_as_it_did(tmp_path: Path) -> None:
    def look() -> list[Any]:
        return [
            psycopg.connect,
            psycopg.Connection.__dict__["connect"].__class__,
            isinstance(psycopg.Connection, type),
            *(inspect.signature(f) for f in functions()),
            *(inspect.iscoroutinefunction(f) for f in functions()),
            *((f.__name__, f.__qualname__, f.__doc__, f.__module__) for f in functions()),
            inspect.signature(psycopg.connect),
            inspect.signature(asyncpg.connect),
            inspect.signature(pg8000.core.CoreConnection),
        ]

    before = look()
    with guard(tmp_path):
        assert look() == before
        with contextlib.closing(sqlite3.connect(":memory:")) as made:
            assert isinstance(made, sqlite3.Connection)


def test_a_wrong_call_gets_the_driver_s_own_error(tmp_path: Path) -> None:
    with guard(tmp_path):
        with pytest.raises(TypeError, match="positional"):
            psycopg.connect(1, 2, 3)  # type: ignore[call-overload]
        with pytest.raises(psycopg.ProgrammingError):
            psycopg.connect("no=such word")
        with pytest.raises(psycopg2.ProgrammingError):
            psycopg2.connect("no=such word")


def test_an_address_that_cannot_be_resolved_is_refused(tmp_path: Path) -> None:
    with guard(tmp_path):
        for text in ("service=nowhere", "host=a,b port=1,2,3 dbname=own"):
            with pytest.raises(Elsewhere, match="an unknown server") as caught:
                psycopg.connect(text)
            assert "connects_to" not in caught.value.fix


IMPORTS = """
    import contextlib, sys
    from pathlib import Path
    from wflo_testkit.services.postgres.schema.guard import Elsewhere, Guard, drivers

    with Guard("postgresql://u@127.0.0.1:1/own", root=Path("."), whole_process=True) as active:
        drivers = {"psycopg", "psycopg2", "psycopg_pool", "asyncpg", "pg8000", "sqlalchemy"}
        assert not drivers & set(sys.modules), sorted(drivers & set(sys.modules))
        from tests.services.ways_to_connect import POSTGRES
        for name, way in POSTGRES.items():
            try:
                way("127.0.0.1", 1, "dev")
            except Elsewhere:
                continue
            raise SystemExit(f"{name} was not refused")
    print(len(active.refused) >= len(POSTGRES), [f for f in sys.meta_path if "guard" in repr(f)])
"""


def test_drivers_that_are_imported_later_are_guarded_and_none_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(IMPORTS)], capture_output=True, text=True, timeout=60
    )

    assert done.stdout.split("\n")[0] == "True []", done.stdout + done.stderr


# -- mutations: each part of the mechanism is needed


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Have a guard that knows nothing of the entrances of `modules`."""
    left = tuple(each for each in ENTRANCES if each.module not in modules)
    monkeypatch.setattr(drivers, "ENTRANCES", left)


@pytest.mark.parametrize(
    ("module", "way"),
    [
        ("psycopg", "psycopg.connect by name"),
        ("psycopg2", "psycopg2.pool"),
        ("asyncpg", "asyncpg.create_pool"),
        ("pg8000", "pg8000.native"),
        ("threading", "psycopg in a thread"),
        ("threading", "psycopg in a thread's thread"),
    ],
)
def test_an_entrance_left_open_is_seen_by_the_listener(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, way: str
) -> None:
    without(monkeypatch, module)
    with guard(tmp_path), pytest.raises(Exception) as caught:
        POSTGRES[way](listener.host, listener.port, "dev")

    assert not isinstance(caught.value, Elsewhere)
    assert listener.called() > 0


def test_without_the_engines_entrance_an_open_connection_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'dev.sqlite'}")
    made.connect().close()
    without(monkeypatch, "sqlalchemy")
    with guard(tmp_path) as active:
        made.connect().close()
    made.dispose()

    assert active.refused == []


def test_without_the_audit_hook_an_sqlite_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "of_sqlite", lambda _: [])
    with guard(tmp_path):
        sqlite3.connect(tmp_path / "dev.sqlite").close()

    assert (tmp_path / "dev.sqlite").exists()


@pytest.mark.slow
def test_without_the_finder_drivers_that_are_imported_later_are_not_guarded() -> None:
    finder = "wflo_testkit.services.postgres.schema.guard.connect_functions._Finder"
    blind = f"import pkgutil; pkgutil.resolve_name({finder!r}).find_spec = lambda *_: None\n"
    done = subprocess.run(
        [sys.executable, "-c", blind + textwrap.dedent(IMPORTS)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "psycopg.OperationalError" in done.stderr
