"""Where an address leads is read as the driver itself would read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from wflo_testkit.errors import SettingError
from wflo_testkit.services.postgres.schema.guard.places import (
    SOCKETS,
    named,
    of_asyncpg,
    of_kit,
    of_libpq,
    of_sqlite,
    of_url,
)

PG = ("HOST", "HOSTADDR", "PORT", "DATABASE", "USER", "SERVICE", "SERVICEFILE", "SYSCONFDIR")


@pytest.fixture(autouse=True)
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in PG:
        monkeypatch.delenv(f"PG{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def shown(places: Any) -> list[str]:
    return [str(place) for place in places]


def libpq(text: str) -> list[str]:
    return shown(of_libpq(conninfo_to_dict(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("postgresql://u:p@localhost:6000/app", ["localhost:6000/app"]),
        ("postgresql://u:p@127.0.0.1:6000/app", ["localhost:6000/app"]),
        ("postgresql://u@[::1]:6000/app", ["localhost:6000/app"]),
        ("host=127.0.0.2 port=6000 dbname=app", ["localhost:6000/app"]),
        ("host=::ffff:10.0.0.1 dbname=app", ["10.0.0.1:5432/app"]),
        ("host=DB.Example.com dbname=app", ["db.example.com:5432/app"]),
        ("postgresql://u:p@db", ["db:5432/u"]),
        ("postgresql:///app?host=/tmp&port=6000", ["/tmp:6000/app"]),
        ("user=u dbname=app", [f"{SOCKETS}:5432/app"]),
        ("host=db hostaddr=10.0.0.1 dbname=app", ["10.0.0.1:5432/app"]),
        ("host=a,b port=1,2 dbname=app", ["a:1/app", "b:2/app"]),
        ("host=a,,c port=7 dbname=app", ["a:7/app", f"{SOCKETS}:7/app", "c:7/app"]),
        ("postgresql://a:1,b/app", ["a:1/app", "b:5432/app"]),
        ("host=a,b,c port=1,2 dbname=app", ["an unknown server"]),
        ("host=a port=x dbname=app", ["an unknown server"]),
    ],
)
def test_libpq_s_options_are_read(text: str, found: list[str]) -> None:
    assert libpq(text) == found


def test_what_is_not_given_comes_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "db", "PORT": "6000", "DATABASE": "app"}.items():
        monkeypatch.setenv(f"PG{name}", value)

    assert libpq("") == ["db:6000/app"]
    assert libpq("dbname=other") == ["db:6000/other"]
    assert shown(of_asyncpg({"dsn": None, "port": 7})) == ["db:7/app"]
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1")
    assert libpq("host=db") == ["10.0.0.1:6000/app"]


def test_the_kit_s_own_url_does_not_depend_on_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1")
    monkeypatch.setenv("PGSERVICE", "nowhere")

    assert str(of_kit("postgresql://u:p@127.0.0.1:6000/own")) == "localhost:6000/own"


SERVICES = "# ours\n[app]\nhost=db\nport=6000\ndbname=app\nuser=u\n\n[other]\nhostaddr=10.0.0.9\n"


@pytest.mark.parametrize("where", ["home", "PGSERVICEFILE", "PGSYSCONFDIR", "servicefile"])
def test_a_service_is_looked_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    names = {"home": ".pg_service.conf", "PGSYSCONFDIR": "etc/pg_service.conf"}
    path = tmp_path / names.get(where, "services")
    path.parent.mkdir(exist_ok=True)
    path.write_text(SERVICES)
    if where.startswith("PG"):
        monkeypatch.setenv(where, str(path if where == "PGSERVICEFILE" else path.parent))
    more = {"servicefile": str(path)} if where == "servicefile" else {}

    assert shown(of_libpq({"service": "app", **more})) == ["db:6000/app"]
    assert shown(of_libpq({"service": "app", "host": "x", **more})) == ["x:6000/app"]
    assert shown(of_libpq({"service": "other", "dbname": "d", **more})) == ["10.0.0.9:5432/d"]
    monkeypatch.setenv("PGSERVICE", "app")
    assert shown(of_libpq({"dbname": "d", **more})) == ["db:6000/d"]


@pytest.mark.parametrize("content", ["", "[other]\nhost=db\n", "[app]\nldap://directory/x\n"])
def test_a_service_that_cannot_be_resolved_leads_nowhere(tmp_path: Path, content: str) -> None:
    (tmp_path / ".pg_service.conf").write_text(content)

    assert shown(of_libpq({"service": "app", "host": "localhost"})) == ["an unknown server"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"dsn": "postgresql://u:p@db:6000/app"}, ["db:6000/app"]),
        ({"dsn": "postgresql://u@db/app", "database": "other"}, ["db:5432/other"]),
        ({"dsn": "postgresql://u@db/app?host=other"}, ["db:5432/app"]),
        ({"dsn": "postgresql:///?host=db&database=app&user=u"}, ["db:5432/app"]),
        ({"dsn": "postgresql://a:1,b:2/app"}, ["a:1/app", "b:2/app"]),
        ({"host": ["a", "b"], "port": [1, 2], "database": "app"}, ["a:1/app", "b:2/app"]),
        ({"host": "::1", "user": "u"}, ["localhost:5432/u"]),
        ({"user": "u"}, [f"{SOCKETS}:5432/u"]),
    ],
)
def test_asyncpg_s_arguments_are_read(options: dict[str, Any], found: list[str]) -> None:
    assert shown(of_asyncpg(options)) == found


@pytest.mark.parametrize(
    "database",
    [
        ":memory:",
        b":memory:",
        "",
        "file::memory:",
        "file::memory:?cache=shared",
        "file:shared?mode=memory&cache=shared",
        "file:/shared?vfs=memdb",
        "file:",
        "file:?mode=rw",
    ],
)
def test_sqlite_in_memory_is_no_file(database: Any) -> None:
    assert of_sqlite(database) == []


@pytest.mark.parametrize(
    "spelt",
    [
        lambda path: str(path),
        lambda path: path,
        lambda path: str(path).encode(),
        lambda path: path.parent / "x" / ".." / path.name,
        lambda path: f"file:{path}?mode=ro",
        lambda path: f"file://localhost{path}#part",
        lambda path: f"file://{str(path).replace('db', '%64b')}",
    ],
)
def test_an_sqlite_file_is_known_in_every_spelling(
    tmp_path: Path, spelt: Callable[[Path], Any]
) -> None:
    path = tmp_path / "db.sqlite"

    assert shown(of_sqlite(spelt(path))) == [str(path)]


def test_a_relative_sqlite_file_lies_in_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert shown(of_sqlite("db.sqlite")) == [str(tmp_path / "db.sqlite")]
    assert shown(of_url("sqlite:///db.sqlite")) == [str(tmp_path / "db.sqlite")]
    assert shown(of_url("sqlite+aiosqlite:////var/db.sqlite")) == ["/var/db.sqlite"]
    assert of_url("sqlite://") == []


def test_other_databases_have_addresses_too() -> None:
    assert shown(of_url("mysql+pymysql://u:p@db:3306/app")) == ["db:3306/app"]


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("localhost:5432/app", "localhost:5432/app"),
        ("127.0.0.1:5432/app", "localhost:5432/app"),
        ("[::1]:5432/app", "localhost:5432/app"),
        ("[2001:db8::1]:5432/app", "[2001:db8::1]:5432/app"),
        ("/var/run/postgresql:5432/app", "/var/run/postgresql:5432/app"),
        ("app.sqlite", "/root/app.sqlite"),
        ("./app", "/root/app"),
        ("/data/app.db", "/data/app.db"),
    ],
)
def test_the_setting_names_places(entry: str, place: str) -> None:
    assert str(named(entry, Path("/root"))) == place


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "localhost/app",
        "localhost:app",
        "localhost:5432",
        "localhost:5432/",
        "u:secret@localhost:5432/app",
        "postgresql://u:secret@localhost:5432/app",
        "sqlite:///app.sqlite",
    ],
)
def test_the_setting_refuses_what_is_no_place(entry: str) -> None:
    with pytest.raises(SettingError, match="postgres_schema_connects_to") as caught:
        named(entry, Path("/root"))

    assert "localhost:5432/app" in str(caught.value.fix)
    assert "secret" not in caught.value.text
