"""A second Postgres, the developer's own: whatever is tested beside it, it stays as it is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.services.postgres_server import query, started
from wflo_testkit.services.postgres import PostgresServer

PRECIOUS = """CREATE TABLE precious (id int PRIMARY KEY, what text);
    INSERT INTO precious VALUES (1, 'mine')"""


@pytest.fixture(scope="session")
def bystander() -> Iterator[PostgresServer]:
    with started() as server:
        query(server, PRECIOUS)
        before = dump(server)
        yield server
        assert dump(server) == before


@pytest.fixture(autouse=True)
def at_hand(bystander: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have its address wherever code looks that takes the developer's own database."""
    url = bystander.address.sqlalchemy_url("psycopg")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("PGHOST", bystander.host)
    monkeypatch.setenv("PGPORT", str(bystander.port))
    monkeypatch.setenv("PGUSER", bystander.user)
    monkeypatch.setenv("PGPASSWORD", bystander.password)
    monkeypatch.setenv("PGDATABASE", bystander.database)
    return url


def dump(server: PostgresServer) -> str:
    """Return all that the server holds, roles and every database included."""
    inside = ["pg_dumpall", "--username", server.username, "--restrict-key=same"]
    command = ["docker", "exec", server.container_id, *inside]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
