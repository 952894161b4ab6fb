"""On a server that outlives the run a schema is applied once, for later runs, too."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.services.postgres_server import Asker, databases, query, server, started
from tests.services.test_postgres_templates import KIND, Counting
from wflo_testkit.model import Build
from wflo_testkit.services.postgres import PostgresServer, kept_templates
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.names import READY, Names
from wflo_testkit.services.postgres.sweep import sweep

__all__ = ["server"]

ROLES = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'wflo%' ORDER BY 1"


@pytest.fixture
def kept() -> Iterator[PostgresServer]:
    """A server of its own, so that all that is on it at the end was left by these runs."""
    with started() as running:
        yield dataclasses.replace(running, is_shared=True)


@contextmanager
def run(server: PostgresServer, schema: Callable[[str], None]) -> Iterator[Asker]:
    isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
    isolation.prepare()
    try:
        yield Asker(isolation, server, schema)
    finally:
        isolation.close()


def lasting_name(server: PostgresServer, schema: Callable[[str], None]) -> str:
    """Return what the template of `schema` is called when it stays."""
    asker = Asker(PostgresIsolation(server, "nobody"), server, schema)
    return READY.template(str(asker.request(KIND).params["schema"]))


def left(server: PostgresServer) -> tuple[list[str], list[str]]:
    """Return the kit's databases and roles."""
    made = sorted(name for name in databases(server) if name.startswith("wflo"))
    return made, [name for (name,) in query(server, ROLES)]


def use(asker: Asker) -> None:
    """Do what the owner of a database may do."""
    with asker.database() as handle, psycopg.connect(handle.url) as connection:
        connection.execute("INSERT INTO t VALUES (1); ALTER TABLE t ADD more text; DROP TABLE t")


def test_a_later_run_has_what_an_earlier_one_has_applied(kept: PostgresServer) -> None:
    schema = Counting("lasting")
    for _run in range(3):
        with run(kept, schema) as asker:
            use(asker)
            use(asker)

    assert schema.calls == 1
    name = lasting_name(kept, schema)
    assert left(kept) == ([name], [name])


@pytest.mark.slow
def test_a_schema_that_has_changed_is_applied(kept: PostgresServer) -> None:
    one, two = Counting("one"), Counting("two")
    for schema in (one, two, one, two):
        with run(kept, schema) as asker:
            use(asker)

    assert (one.calls, two.calls) == (1, 1)


@pytest.mark.slow
def test_two_runs_that_apply_it_at_once_share_one(kept: PostgresServer) -> None:
    schema = Counting("at-once")
    with run(kept, schema) as first, run(kept, schema) as second:
        builds = [each.isolation.lease(each.request(KIND)) for each in (first, second)]
        for asker, build in zip((first, second), builds, strict=True):
            assert isinstance(build, Build)
            asker.build(KIND, build)
        for asker in (first, second):
            use(asker)
        with run(kept, schema) as third:
            use(third)

    assert schema.calls == 2
    assert left(kept)[0] == [lasting_name(kept, schema)]


APPLIES = """
import json, sys, psycopg
from tests.services.postgres_server import Asker
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation

def schema(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE half ()")
        print("applies", flush=True)
        sys.stdin.read()

schema.fingerprint = "killed"
server = PostgresServer.from_json(json.loads(sys.argv[1]))
with Asker(PostgresIsolation(server, sys.argv[2]), server, schema).database():
    pass
"""


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_applies_one_leaves_nothing_to_others(
    kept: PostgresServer,
) -> None:
    given = [sys.executable, "-c", APPLIES, json.dumps(kept.to_json()), "dead"]
    with subprocess.Popen(given, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "applies\n"
        schema = Counting("killed")
        with run(kept, schema) as meanwhile:
            use(meanwhile)
            other.kill()
    with run(kept, schema) as later:
        use(later)
        assert list(sweep(kept, ["dead"]))

    assert schema.calls == 1
    name = lasting_name(kept, schema)
    assert left(kept) == ([name], [name])


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id int); DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem"
        " = ''8MB''', current_database()); END $$",
        "CREATE TABLE t (id int); ALTER ROLE CURRENT_USER SET work_mem = '8MB'",
    ],
    ids=["database", "role"],
)
@pytest.mark.slow
def test_what_sets_parameters_is_applied_by_each_run(kept: PostgresServer, sql: str) -> None:
    """A copy of a database leaves them behind; the kit gives them to a run's own."""
    schema = Counting("parameters", sql)
    for _run in range(2):
        with run(kept, schema) as asker:
            with asker.database() as handle:
                assert query(handle, "SHOW work_mem") == [("8MB",)]
            use(asker)

    assert schema.calls == 2
    assert left(kept) == ([], [])


@pytest.mark.slow
def test_what_is_known_within_one_run_only_goes_with_it(kept: PostgresServer) -> None:
    """As is a callable that declares no fingerprint."""
    schema = Counting("passing")
    for _run in range(2):
        with run(kept, schema) as asker:
            request = asker.request(KIND)
            params = {**request.params, "lasts": False}
            build = asker.isolation.lease(dataclasses.replace(request, params=params))
            assert isinstance(build, Build)
            asker.build(KIND, build)

    assert schema.calls == 2
    assert left(kept) == ([], [])


@pytest.mark.slow
def test_few_stay(kept: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_templates, "LIMIT", 2)
    schemas = [Counting(f"many{n}") for n in range(4)]
    for schema in (*schemas, *schemas):
        with run(kept, schema) as asker:
            use(asker)

    assert [schema.calls for schema in schemas] == [1, 1, 2, 2]
    assert left(kept)[0] == sorted(lasting_name(kept, schema) for schema in schemas[:2])


@pytest.mark.slow
def test_a_schema_that_came_with_the_image_of_the_server_serves_all_runs(
    kept: PostgresServer,
) -> None:
    schema = Counting("inside")
    name = lasting_name(kept, schema)
    admin = psycopg.connect(**kept.address.keywords(), autocommit=True)  # type: ignore[arg-type]
    with admin:
        admin.execute(f"CREATE ROLE {READY.role} NOLOGIN")
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        keywords = {**kept.address.keywords(), "dbname": name}
        with psycopg.connect(**keywords, autocommit=True) as inside:  # type: ignore[arg-type]
            inside.execute(f"SET ROLE {READY.role}; RESET ROLE; CREATE TABLE t (id int)")
            inside.execute(f"ALTER TABLE t OWNER TO {READY.role}")
        admin.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true ALLOW_CONNECTIONS false'.encode())
    for _run in range(2):
        with run(kept, schema) as asker:
            use(asker)

    assert schema.calls == 0


@pytest.mark.slow
def test_no_test_can_change_what_others_will_get(kept: PostgresServer) -> None:
    schema = Counting("safe")
    name = lasting_name(kept, schema)
    with run(kept, schema) as asker, asker.database() as handle:
        for statement in (
            f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true',
            f'DROP DATABASE "{name}"',
            f'SET ROLE "{name}"',
            f"ALTER ROLE \"{name}\" PASSWORD 'mine'",
            f'GRANT "{name}" TO CURRENT_USER',
        ):
            with pytest.raises(psycopg.Error):
                query(handle, statement)
        query(handle, f'DROP OWNED BY "{name}"')  # what is in its own database
        keywords = {**handle.address().keywords(), "dbname": name}
        with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
            psycopg.connect(**keywords)  # type: ignore[arg-type]
    with run(kept, schema) as later:
        use(later)

    assert schema.calls == 1


@pytest.mark.slow
def test_a_half_made_template_is_not_taken_for_a_finished_one(kept: PostgresServer) -> None:
    schema = Counting("half")
    admin = psycopg.connect(**kept.address.keywords(), autocommit=True)  # type: ignore[arg-type]
    with admin:
        admin.execute(f'CREATE DATABASE "{lasting_name(kept, schema)}"'.encode())
        admin.execute(f"CREATE ROLE {READY.role} NOLOGIN")
    with run(kept, schema) as asker:
        use(asker)

    assert schema.calls == 1
    assert left(kept)[1] == [READY.role]


def test_names_of_a_run_are_never_those_that_stay() -> None:
    assert not READY.template("x").startswith(Names(uuid.uuid4().hex).stem)
