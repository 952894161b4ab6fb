"""Settings become a server: tuned, overridable, or somebody else's."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.images_at_hand import image_of
from tests.services.postgres_server import query, server, started
from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN, Server, Spec
from wflo_testkit.probing import NotReady
from wflo_testkit.services.postgres import SERVICE, PostgresServer
from wflo_testkit.services.postgres.probe import probe

__all__ = ["server"]


def spec(**settings: Any) -> Spec:
    return SERVICE.spec("postgres", {"image": image_of("postgres"), **settings})


def test_the_server_runs_with_the_tuned_parameters(server: PostgresServer) -> None:
    shown = {
        name: query(server, f"SHOW {name}")[0][0]
        for name in ("fsync", "wal_level", "max_connections", "autovacuum", "data_directory")
    }

    assert shown == {
        "fsync": "off",
        "wal_level": "minimal",
        "max_connections": "300",
        "autovacuum": "off",
        "data_directory": "/pgdata",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"wal_level": "logical", "max_wal_senders": 4, "jit": True, "work_mem": "5MB"},
        pytest.param(
            ["wal_level=logical", "max_wal_senders = 4", "jit=on", "work_mem=5MB"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_parameter_can_be_overridden(arguments: Any) -> None:
    with started(arguments=arguments, max_connections=33, user="boss") as running:
        names = ("wal_level", "max_wal_senders", "jit", "work_mem", "max_connections")
        found = [query(running, f"SHOW {name}")[0][0] for name in names]

        assert found == ["logical", "4", "on", "5MB", "33"]
        assert query(running, "SELECT current_user") == [("boss",)]


@pytest.mark.parametrize("arguments", ["fsync=on", ["fsync"], ["=on"], 7])
def test_arguments_that_are_no_pairs_are_explained(arguments: Any) -> None:
    with pytest.raises(SettingError, match="postgres_arguments"):
        spec(arguments=arguments)


def test_an_entry_that_names_no_database_is_explained_before_anything_starts() -> None:
    with pytest.raises(SettingError, match="postgres_schema_connects_to cannot hold 'app'"):
        spec(schema_connects_to=["localhost:5432/app", "app"])
    with pytest.raises(SettingError, match="neither host:port/database nor the path"):
        SERVICE.spec("postgres", {"url": "postgresql://u@h/d", "schema_connects_to": ["h:d"]})

    assert spec(schema_connects_to=["localhost:5432/app"]) == spec()


def test_the_image_is_the_official_one_unless_it_is_set() -> None:
    from wflo_testkit.catalog import official

    assert SERVICE.spec("postgres", {}).image == official("postgres")
    assert spec().image == image_of("postgres")


def test_an_external_server_needs_no_container() -> None:
    given = SERVICE.spec(
        "postgres", {"url": "postgresql+asyncpg://me:se%40cret@db:7/shop?ssl=require"}
    )
    found = SERVICE.external(given)

    assert given.image == ""
    assert found.is_external
    assert isinstance(found, PostgresServer)
    assert found.url == "postgresql://me:se%40cret@db:7/shop?sslmode=require"
    assert found.env()["PGSSLMODE"] == "require"
    assert PostgresServer.from_json(found.to_json()) == found


def test_environments_name_the_database_for_both_sides() -> None:
    here = PostgresServer(
        service="postgres",
        name="postgres",
        host="127.0.0.1",
        ports={MAIN: 7},
        internal_host="postgres",
        internal_ports={MAIN: 5432},
        username="u",
        password="p",
        options={"database": "d"},
    )

    assert here.env()["DATABASE_URL"] == "postgresql://u:p@127.0.0.1:7/d"
    assert here.internal_env() == {
        "DATABASE_URL": "postgresql://u:p@postgres:5432/d",
        "PGHOST": "postgres",
        "PGPORT": "5432",
        "PGUSER": "u",
        "PGPASSWORD": "p",
        "PGDATABASE": "d",
    }
    assert here.internal_url == here.internal_env()["DATABASE_URL"]
    assert "p" not in repr(here).partition("password")[2]


def test_loading_the_service_loads_no_library() -> None:
    heavy = "sqlalchemy psycopg asyncpg alembic docker asyncio concurrent.futures logging tomllib"
    code = (
        "import sys, wflo_testkit.services.postgres\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def _fake_server(answer: bytes) -> tuple[PostgresServer, threading.Thread]:
    """Answer the first message of one client with `answer`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        link, _address = listener.accept()
        with listener, link:
            link.recv(1024)
            link.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    return (
        PostgresServer(
            service="postgres", name="postgres", host="127.0.0.1", ports={MAIN: port}, username="u"
        ),
        thread,
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed before an answer"),
        (
            b"E\0\0\0\x50SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0",
            "57P03: the database system is starting up",
        ),
    ],
)
def test_a_fake_server_that_is_starting_up_is_not_ready(answer: bytes, said: str) -> None:
    fake, thread = _fake_server(answer)
    with pytest.raises(NotReady, match=said):
        probe(fake)
    thread.join(5)


def test_a_wrong_password_for_an_external_server_is_noticed(server: PostgresServer) -> None:
    import psycopg

    theirs = {"password": "wrong", "is_external": True}
    wrong = PostgresServer.from_json({**server.to_json(), **theirs})
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        probe(wrong)


def test_a_closed_port_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = PostgresServer(
        service="postgres", name="postgres", host="127.0.0.1", ports={MAIN: port}, username="u"
    )
    with pytest.raises(OSError):
        probe(gone)
    assert isinstance(gone, Server)
