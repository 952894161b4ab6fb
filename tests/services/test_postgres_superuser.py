"""A superuser's test may change the whole server; the next test finds it as it was."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.services.postgres_server import Asker, query, started
from tests.services.test_postgres_templates import Counting
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.server_state import ServerState

pytestmark = pytest.mark.slow

CHANGES = {
    "a role": (
        "CREATE ROLE more LOGIN; CREATE TABLE of_more (); ALTER TABLE of_more OWNER TO more",
    ),
    "a changed role": ("ALTER ROLE bystander SUPERUSER CONNECTION LIMIT 3 PASSWORD 'x'",),
    "a dropped role": ("DROP ROLE bystander",),
    "a membership": ("GRANT pg_monitor TO bystander",),
    "a lost membership": ("REVOKE pg_read_all_data FROM bystander",),
    "settings of a role": ("ALTER ROLE bystander SET work_mem = '1MB'",),
    "lost settings of a role": ("ALTER ROLE bystander RESET ALL",),
    "settings of all": ("ALTER ROLE ALL SET search_path = nowhere",),
    "a system setting": ("ALTER SYSTEM SET work_mem = '99kB'", "SELECT pg_reload_conf()"),
    "a lost system setting": ("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()"),
    "a tablespace": (
        "COPY (SELECT 1) TO PROGRAM 'cat; mkdir -p /tmp/space'",
        "CREATE TABLESPACE more LOCATION '/tmp/space'",
        "CREATE TABLE there (id int PRIMARY KEY USING INDEX TABLESPACE more) TABLESPACE more",
    ),
    "a database": ("CREATE DATABASE more",),
    "another database's row": ("ALTER DATABASE postgres CONNECTION LIMIT 7",),
    "a replication slot": ("SELECT pg_create_physical_replication_slot('more')",),
    "a comment": ("COMMENT ON ROLE bystander IS 'changed'",),
}
STATE = """SELECT (SELECT string_agg(r::text, ' ' ORDER BY rolname) FROM pg_authid r)
    || (SELECT string_agg(concat_ws(' ', roleid, member, admin_option), ', ' ORDER BY 1)
        FROM pg_auth_members)
    || (SELECT string_agg(s::text, ' ' ORDER BY s::text) FROM pg_db_role_setting s)
    || (SELECT string_agg(concat_ws('=', name, setting), ' ' ORDER BY name) FROM pg_settings
        WHERE source = 'configuration file')
    || (SELECT string_agg(spcname, ' ') FROM pg_tablespace)
    || (SELECT string_agg(concat_ws(' ', datname, datconnlimit), ' ' ORDER BY datname)
        FROM pg_database WHERE datname !~ '^wflo_')
    || (SELECT count(*) FROM pg_replication_slots)
    || (SELECT string_agg(d::text, ' ' ORDER BY d::text) FROM pg_shdescription d)"""

POLICY = """CREATE ROLE {0}; CREATE TABLE t (whose text); GRANT SELECT ON t TO {0};
    ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY of_role ON t TO {0} USING (whose = '{0}')"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A superuser's server on which a role, a setting and a comment are there from the start."""
    arguments = {"wal_level": "logical", "max_wal_senders": 2, "max_replication_slots": 4}
    with started(role="superuser", arguments=arguments) as running:
        for sql in (
            "CREATE ROLE bystander LOGIN PASSWORD 'secret' VALID UNTIL '2040-01-01'",
            "GRANT pg_read_all_data TO bystander",
            "ALTER ROLE bystander SET timezone = 'Asia/Tokyo'",
            "COMMENT ON ROLE bystander IS 'was here before'",
            "ALTER SYSTEM SET deadlock_timeout = '3s'",
            "SELECT pg_reload_conf()",
        ):
            query(running, sql)
        yield running


@pytest.fixture
def asker(server: PostgresServer) -> Iterator[Asker]:
    isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
    yield Asker(isolation, server)
    isolation.close()


def change(asker: Asker, name: str, *, keep: bool = False) -> None:
    with asker.database(keep=keep) as handle, psycopg.connect(handle.url, autocommit=True) as own:
        for sql in CHANGES[name]:
            own.execute(sql.encode())


@pytest.mark.parametrize(
    ("name", "keep"),
    [*((name, False) for name in CHANGES), ("a role", True), ("a tablespace", True)],
    ids=lambda value: {False: "", True: "whose database is kept"}.get(value, value),
)
def test_what_is_changed_around_the_database_is_undone_and_told_of(
    asker: Asker, server: PostgresServer, name: str, keep: bool
) -> None:
    with asker.database():
        before = query(server, STATE)

    change(asker, name, keep=keep)

    assert query(server, STATE) == before
    assert len(asker.warnings) == 1
    assert "the whole server was changed" in asker.warnings[0]
    assert "which the kit has undone" in asker.warnings[0]


def test_without_undoing_the_next_test_sees_the_role(
    asker: Asker, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asker.database():
        before = query(server, STATE)
    with monkeypatch.context() as patched:
        patched.setattr(ServerState, "undo", lambda *_: [])
        change(asker, "a role")

        assert query(server, STATE) != before

    with asker.database():
        pass
    assert query(server, STATE) == before


def test_a_second_schema_is_not_taken_for_a_change(asker: Asker) -> None:
    def one(url: str) -> None:
        query_url(url, "CREATE TABLE one ()")

    def two(url: str) -> None:
        query_url(url, "CREATE TABLE two ()")

    for schema in (one, two, one):
        with asker.database(schema=schema):
            pass

    assert asker.warnings == []


def test_what_a_second_schema_makes_stays_and_logins_leave_no_trace(
    asker: Asker, server: PostgresServer
) -> None:
    """Else the role would be taken for a change by the test, and go."""
    query(server, "DROP ROLE IF EXISTS reader, writer")
    schemas = {
        role: Counting(f"makes {role}", POLICY.format(role)) for role in ("reader", "writer")
    }
    for role in ("reader", "writer", "reader", "nobody", "writer"):
        schema = schemas.get(role, schemas["reader"])
        with asker.database(schema=schema, keep=role == "writer") as handle:
            query(handle, "INSERT INTO t VALUES ('reader'), ('writer')")
            with psycopg.connect(handle.as_role(role)) as login, asker.database("empty_database"):
                found = [whose for (whose,) in login.execute("SELECT whose FROM t")]
            assert found == ([role] if role in schemas else [])

    assert asker.warnings == []
    assert query(server, "SELECT rolname FROM pg_roles WHERE rolname ~ '^wflo'") == []
    assert query(server, "SELECT rolname FROM pg_roles WHERE rolname = 'reader'") == [("reader",)]


def test_without_accepting_what_a_schema_makes_it_is_taken_for_a_change(
    asker: Asker, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(server, "DROP ROLE IF EXISTS late")
    with asker.database():
        pass
    monkeypatch.setattr(ServerState, "accept", lambda _: None)
    with asker.database(schema=Counting("late", "CREATE ROLE late")):
        pass

    assert "the whole server was changed (role late)" in asker.warnings[0]


def query_url(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())
