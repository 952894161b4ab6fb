"""A schema callable is known by where it stands, its code, what it closes over and its globals."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import functools
import gc
import os
import subprocess
import sys
import textwrap
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.services.postgres_server import Asker, asker, query, server, shared_isolation
from wflo_testkit.services.postgres.schema import identity as identity_module
from wflo_testkit.services.postgres.schema import schema_of
from wflo_testkit.services.postgres.schema.identity import identity
from wflo_testkit.services.postgres.schema.keys import Keys
from wflo_testkit.services.postgres.schema.project import Project

__all__ = ["asker", "server", "shared_isolation"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

CALLABLE = """
from pathlib import Path
import psycopg
HERE = Path(__file__).parent
def fill(url):
    with psycopg.connect(url) as connection:
        connection.execute((HERE / "schema.sql").read_text())
"""


def loaded(path: Path, source: str, **names: Any) -> Any:
    """Return the `fill` of a module with this source, as pytest loads a conftest."""
    space = {"__name__": "conftest", "__file__": str(path), **names}
    exec(compile(textwrap.dedent(source), str(path), "exec"), space)
    return space["fill"]


def test_the_same_text_in_two_folders_makes_two_schemas(asker: Asker, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        fill = loaded(tmp_path / name / "conftest.py", CALLABLE)
        (tmp_path / name).mkdir()
        (tmp_path / name / "schema.sql").write_text(f"CREATE TABLE t_{name} (id int)")
        with asker.database(schema=fill) as handle:
            found += query(handle, "SELECT relname FROM pg_class WHERE relname LIKE 't\\_%'")

    assert found == [("t_a",), ("t_b",)]


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Other(enum.Enum):
    RED = 1


@dataclass
class Row:
    number: int


def one() -> None: ...
def two() -> None: ...
def recursive(depth: int = 0) -> None:
    other_recursive(depth)


def other_recursive(depth: int) -> None:
    recursive(depth)


def holding(value: Any) -> Callable[[str], object]:
    def fill(_url: str) -> object:
        return value

    return fill


def defaulting(value: Any) -> Callable[[str], object]:
    def fill(_url: str, given: Any = value) -> object:
        return given

    return fill


def keyword(value: Any) -> Callable[[str], object]:
    def fill(_url: str, *, given: Any = value) -> object:
        return given

    return fill


def partial(value: Any) -> Callable[[str], object]:
    return functools.partial(print, value)


def global_(value: Any) -> Any:
    return loaded(HERE / "conftest.py", "def fill(url): return VALUE", VALUE=value)


def global_of_a_helper(value: Any) -> Any:
    source = "def helper(): return [VALUE for _ in 'a']\ndef fill(url): return helper()"
    return loaded(HERE / "conftest.py", source, VALUE=value)


def cached(value: Any) -> Any:
    source = """
        import functools
        @functools.cache
        def helper(): return VALUE
        def fill(url): return helper()
    """
    return loaded(HERE / "conftest.py", source, VALUE=value)


DIFFERENT = [
    (1, 2),
    (1, True),
    (1, "1"),
    ("a", b"a"),
    (None, False),
    (0.0, 0),
    ([1], [1, 2]),
    ([1], (1,)),
    ({"a": 1}, {"a": 2}),
    ({1, 2}, {1, 3}),
    (Path("/a"), Path("/b")),
    (Path("/a"), "/a"),
    (Color.RED, Color.BLUE),
    (Color.RED, Other.RED),
    (Row(1), Row(2)),
    (Decimal("1.0"), Decimal("1.00")),
    (dt.date(2026, 1, 1), dt.date(2026, 1, 2)),
    (uuid.UUID(int=1), uuid.UUID(int=2)),
    (one, two),
    (Color, Other),
    (os, sys),
    (functools.partial(one, 1), functools.partial(one, 2)),
    (Row(1).__eq__, Row(2).__eq__),
    (object(), object()),
]
WAYS = [holding, defaulting, keyword, partial, global_, global_of_a_helper, cached]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("values", DIFFERENT, ids=range(len(DIFFERENT)))
def test_what_it_holds_tells_it_apart(way: Callable[[Any], Any], values: Any) -> None:
    left, right = values

    assert identity(way(left)) == identity(way(left))
    assert identity(way(left)) != identity(way(right))


def test_a_cycle_has_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert identity(recursive) == identity(recursive)
    assert identity(recursive) != identity(other_recursive)
    assert identity(holding(endless)) == identity(holding(endless))


def test_a_local_class_is_known_in_this_process_alone() -> None:
    def made() -> type:
        class Local: ...

        return Local

    first, second = made(), made()

    assert identity(holding(first)) == identity(holding(first))
    assert identity(holding(first)) != identity(holding(second))


def test_a_metadata_that_it_uses_belongs_to_it() -> None:
    tables = sa.MetaData()
    before = identity(holding(tables))
    sa.Table("later", tables, sa.Column("id", sa.Integer))

    assert identity(holding(tables)) != before


def test_a_decorator_of_a_library_does_not_hide_the_function() -> None:
    decorate: Any = contextlib.contextmanager

    assert identity(decorate(one)) != identity(decorate(two))


AGREED = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import fill
from wflo_testkit.services.postgres.schema.identity import identity
print(identity(fill))
"""
SUITE = """
import enum, functools, datetime, pathlib, dataclasses, re, contextlib
import psycopg
import sqlalchemy as sa, sqlalchemy.orm
tables = sa.MetaData()
sa.Table("a", tables, sa.Column("id", sa.Integer))
class Base(sa.orm.DeclarativeBase): ...
class E(enum.Enum):
    a = 1
@dataclasses.dataclass
class D:
    n: set
NAMES = {"a", "b", "c", "d"}
KINDS = {E.a, str, int}
HERE = pathlib.Path(__file__)
PATTERN = re.compile("a")
@functools.cache
def helper(x=(1, 2), *, y=frozenset("xyz")):
    return [z for z in NAMES if z in {"p", "q", "r"}]
@contextlib.contextmanager
def around():
    yield (1, 2)
def make(what):
    def fill(url):
        with around(), psycopg.connect(url) as c:
            helper(); c.execute(what.n); tables; Base; KINDS; HERE; PATTERN; datetime; sa.Enum(E)
    return fill
fill = functools.partial(make(D({"k", "l", "m"})), retries=3)
"""


@pytest.mark.slow
def test_workers_agree_on_a_callable_compiled_or_loaded(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SUITE)
    told = set()
    environment = {n: text for n, text in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", AGREED, str(tmp_path)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**environment, "PYTHONHASHSEED": seed},
            check=True,
        )
        told.add(done.stdout)

    assert (tmp_path / "__pycache__").is_dir()
    assert len(told) == 1


# -- with a `fingerprint` it is kept beyond the run, as long as what it read is still so


class Fill:
    """A callable that reads a file; `fingerprint` is its author's word."""

    def __init__(self, path: Path, fingerprint: str | None = "v1") -> None:
        self.path = path
        self.fingerprint = fingerprint

    def __call__(self, _url: str) -> None:
        self.path.read_text()


URL = "postgresql://u:p@127.0.0.1:1/d"


def fingerprint(fill: Any, keys: Keys) -> tuple[str, bool]:
    schema = schema_of(fill, Project(keys=keys))
    assert schema is not None
    return schema.fingerprint, schema.lasts


def applied(fill: Any, keys: Keys) -> tuple[str, bool]:
    schema = schema_of(fill, Project(keys=keys))
    assert schema is not None
    schema.apply(URL)
    return schema.fingerprint, schema.lasts


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    path = tmp_path / "schema.sql"
    path.write_text("SELECT 1")
    return path


def test_what_a_callable_with_a_fingerprint_reads_is_compared_in_the_next_run(
    sql: Path, tmp_path: Path
) -> None:
    first = applied(Fill(sql), Keys("run1", tmp_path / "kept"))

    assert fingerprint(Fill(sql), Keys("run2", tmp_path / "kept")) == first
    assert fingerprint(Fill(sql, "v2"), Keys("run2", tmp_path / "kept")) != first
    sql.write_text("SELECT 2")
    assert fingerprint(Fill(sql), Keys("run3", tmp_path / "kept")) != first


def test_without_the_manifest_a_stale_schema_would_be_served(
    sql: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wflo_testkit.services.postgres.schema.manifest import Manifest

    monkeypatch.setattr(Manifest, "is_current", lambda _self: True)
    first = applied(Fill(sql), Keys("run1", tmp_path / "kept"))
    sql.write_text("SELECT 2")

    assert fingerprint(Fill(sql), Keys("run2", tmp_path / "kept")) == first


def test_without_a_fingerprint_nothing_is_recorded(sql: Path, tmp_path: Path) -> None:
    keys = Keys("run1", tmp_path / "kept")

    assert not applied(Fill(sql, None), keys)[1]
    assert not (tmp_path / "kept").exists()


def test_a_callable_that_starts_a_process_does_not_last(sql: Path, tmp_path: Path) -> None:
    def fill(_url: str) -> None:
        subprocess.run(["true"], check=True)

    fill.fingerprint = "v1"  # type: ignore[attr-defined]
    keys = Keys("run1", tmp_path / "kept")

    assert fingerprint(fill, keys)[1]
    assert not applied(fill, keys)[1]
    assert not fingerprint(fill, Keys("run2", tmp_path / "kept"))[1]


def test_nor_does_one_that_reads_another_database_by_the_setting(tmp_path: Path) -> None:
    def fill(_url: str) -> None:
        with contextlib.suppress(psycopg.Error):
            psycopg.connect("postgresql://u:p@127.0.0.1:1/other")

    fill.fingerprint = "v1"  # type: ignore[attr-defined]
    keys = Keys("run1", tmp_path / "kept")
    schema = schema_of(fill, Project(keys=keys, connects_to=["localhost:1/other"]))
    assert schema is not None
    schema.apply(URL)

    assert not schema.lasts


def test_what_a_coroutine_function_reads_is_recorded(sql: Path, tmp_path: Path) -> None:
    async def fill(_url: str) -> None:
        sql.read_text()

    fill.fingerprint = "v1"  # type: ignore[attr-defined]
    first = applied(fill, Keys("run1", tmp_path / "kept"))

    assert first[1]
    assert fingerprint(fill, Keys("run2", tmp_path / "kept")) == first
    sql.write_text("SELECT 2")
    assert fingerprint(fill, Keys("run2", tmp_path / "kept")) != first


def test_one_that_fails_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="No such file"):
        applied(Fill(tmp_path / "none"), Keys("run1", tmp_path / "kept"))

    assert not (tmp_path / "kept").exists()


def test_it_is_recorded_once_where_each_test_applies_it(
    sql: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wflo_testkit.services.postgres.schema.manifest import Recorder

    begun: list[object] = []
    original = Recorder.__enter__
    monkeypatch.setattr(Recorder, "__enter__", lambda self: (begun.append(1), original(self))[1])
    keys = Keys("run1", tmp_path / "kept")
    for _again in range(3):
        applied(Fill(sql), keys)

    assert begun == [1]


@pytest.mark.slow
def test_its_own_database_may_be_asked(asker: Asker, tmp_path: Path) -> None:
    async def fill(url: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE filled (id int)")
        await connection.close()

    fill.fingerprint = "v1"  # type: ignore[attr-defined]
    asker.records, asker.run = tmp_path, "its-own"
    with asker.database(schema=fill) as handle:
        assert query(handle, "SELECT count(*) FROM filled") == [(0,)]

    assert fingerprint(fill, Keys("its-own", tmp_path / "schemas"))[1]
    assert list((tmp_path / "schemas").iterdir())


# -- it is found out once, and again after a change

LATER = """
NAMES = ["a"]
DEEP = {"a": [1]}
SCALE = 1
def helper(): return NAMES, DEEP
def fill(url, given=[1]): return helper(), SCALE, range(2)
"""


def _monkeypatched(space: dict[str, Any]) -> None:
    space["SCALE"] = 2


def _helper_replaced(space: dict[str, Any]) -> None:
    exec("def helper(): return 1", space)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a list grows": lambda space: space["NAMES"].append("b"),
    "a list in a dictionary grows": lambda space: space["DEEP"]["a"].append(2),
    "a global is another": _monkeypatched,
    "a helper is another": _helper_replaced,
    "a global of a helper is another": lambda space: space.update(NAMES=["b"]),
    "a global appears": lambda space: space.update(range=3),
    "a default grows": lambda space: space["fill"].__defaults__[0].append(2),
    "the code is another": lambda space: setattr(
        space["fill"], "__code__", (lambda url, given: 1).__code__
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_remembered_is_told_again_after_a_change(name: str) -> None:
    fill = loaded(HERE / "conftest.py", LATER)
    before = identity(fill)
    assert identity(fill) == before
    CHANGES[name](fill.__globals__)

    assert identity(fill) != before


def test_what_has_not_changed_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fill = loaded(HERE / "conftest.py", LATER)
    before = identity(fill)
    monkeypatch.setattr(identity_module, "_Teller", None)

    assert identity(fill) == before


def test_a_function_that_nobody_has_is_forgotten() -> None:
    fill = holding([1])
    identity(fill)
    gone = weakref.ref(fill)
    del fill
    gc.collect()

    assert gone() is None
