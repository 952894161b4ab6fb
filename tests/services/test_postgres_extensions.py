"""Extensions that only the administrator may make are there before the schema, in every mode."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import psycopg
import pytest
import sqlalchemy as sa

from tests.conftest import Run
from tests.services.postgres_server import VERSIONS, Asker, databases, query, started
from wflo_testkit.errors import IsolationFailed, SchemaFailed, ServiceUnavailable
from wflo_testkit.services.postgres import SERVICE, PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.warm_image import recipe

EXTENSIONS = ["earthdistance", "uuid-ossp"]
"""The first may be made by administrators only, and needs another; the second wants quoting."""
PLACES = "CREATE TABLE places (id serial, at earth DEFAULT ll_to_earth(52, 13))"


def schema(url: str) -> None:
    """What people's migrations say, who have rights where they run them."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS earthdistance CASCADE")
        connection.execute(PLACES)


def inspecting(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION pageinspect")


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with started(version=request.param, extensions=EXTENSIONS) as running:
        yield running


@pytest.fixture
def asker(server: PostgresServer) -> Iterator[Asker]:
    isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
    yield Asker(isolation, server, schema)
    isolation.close()


@pytest.mark.parametrize("mode", SERVICE.modes)
def test_a_schema_uses_what_it_could_not_make(asker: Asker, mode: str) -> None:
    asker.mode = mode
    for _again in range(2):
        with asker.database() as handle, asker.convenience("session", handle) as session:
            session.execute(sa.text("INSERT INTO places DEFAULT VALUES"))
            session.commit()
            assert session.scalar(sa.text("SELECT count(at) FROM places")) == 1
            assert session.scalar(sa.text("SELECT uuid_nil()")) is not None

    assert asker.warnings == []


@pytest.mark.parametrize("mode", SERVICE.modes)
def test_an_empty_database_has_them_for_migrations_that_want_them(asker: Asker, mode: str) -> None:
    asker.mode, asker.schema = mode, None
    with asker.database("empty_database") as handle:
        schema(handle.url)
        assert query(handle, "SELECT count(*) FROM places") == [(0,)]
    with asker.database("empty_database") as handle:
        assert query(handle, "SELECT to_regclass('places')::text") == [(None,)]


def test_in_mode_schema_nobody_makes_anything_beside_them(asker: Asker) -> None:
    """They are all that tests have in common, and what is found behind a test's own schema."""
    with (
        asker.database(mode="schema") as handle,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        query(handle, "CREATE TABLE wflo_extensions.shared ()")


def test_they_belong_to_the_administrator(asker: Asker) -> None:
    with asker.database() as handle, pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(handle, "DROP EXTENSION earthdistance")


OWN = {
    "kept.control": "default_version = '1'\ntrusted = false\nrelocatable = true\n",
    "kept--1.sql": """CREATE TABLE kept (id serial, what text);
        SELECT pg_extension_config_dump('kept', '');
        SELECT pg_extension_config_dump('kept_id_seq', '');
        INSERT INTO kept (what) VALUES ('from the extension');
        GRANT ALL ON kept, kept_id_seq TO PUBLIC;""",
}
"""An extension with settings in a table, which it lets everybody write to."""


def test_what_a_test_writes_to_an_extensions_own_table_reaches_no_other() -> None:
    with started(extensions=["kept"]) as running:
        install(running, OWN)
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        asker = Asker(isolation, running, sa.MetaData())
        try:
            for _again in range(3):
                with asker.database() as handle:
                    assert query(handle, "SELECT * FROM kept") == [(1, "from the extension")]
                    query(handle, "INSERT INTO kept (what) VALUES ('mine')")
                    query(handle, "UPDATE kept SET what = 'mine'")
                    assert query(handle, "SELECT max(id) FROM kept") == [(2,)]
            assert asker.settled() == {"recycled": 3, "replaced": 0}
        finally:
            isolation.close()


def install(server: PostgresServer, files: dict[str, str]) -> None:
    """Put an extension's files where the server looks for them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    major = query(server, "SELECT current_setting('server_version_num')::int / 10000")[0][0]
    client = docker.from_env()
    container = client.containers.get(server.container_id)
    container.put_archive(f"/usr/share/postgresql/{major}/extension", buffer.getvalue())
    client.close()


@pytest.mark.slow
def test_one_that_the_image_does_not_have_is_an_error_that_says_so() -> None:
    with started(extensions=["no such"]) as running:
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        asker = Asker(isolation, running, schema)
        for mode in SERVICE.modes:
            for _again in range(2):
                with (
                    pytest.raises(IsolationFailed, match="'no such' could not be made") as caught,
                    asker.database(mode=mode),
                ):
                    pass
                assert caught.value.fix is not None
                assert "postgres_image" in caught.value.fix
        assert databases(running) == set()
        isolation.close()


@pytest.mark.parametrize(
    "value",
    [
        lambda path: path,
        lambda _path: inspecting,
        lambda path: [sa.MetaData(), path],
    ],
    ids=["file", "callable", "list"],
)
def test_a_schema_that_may_not_make_one_is_told_of_the_setting(
    asker: Asker, tmp_path: Path, value: Callable[[Path], object]
) -> None:
    path = tmp_path / "schema.sql"
    path.write_text("CREATE EXTENSION pageinspect;")
    asker.schema = value(path)
    with pytest.raises(SchemaFailed) as caught, asker.database():
        pass

    assert 'permission denied to create extension "pageinspect"' in str(caught.value)
    assert 'postgres_extensions = ["pageinspect"]' in str(caught.value.fix)


@pytest.mark.slow
def test_the_report_of_a_test_that_may_not_make_one_tells_of_the_setting(run_suite: Run) -> None:
    suite = """
    import psycopg

    def test_of_migrations(postgres_empty_database):
        with psycopg.connect(postgres_empty_database.url) as connection:
            connection.execute("CREATE EXTENSION pageinspect")

    def test_of_something_else(postgres_database):
        assert postgres_database.name == "other"
    """
    result = run_suite(suite, "--wflo-require")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*what postgres_empty_database was refused*"])
    assert result.stdout.str().count('set postgres_extensions = ["pageinspect"]') == 1


def test_on_an_external_server_the_account_has_to_be_allowed(server: PostgresServer) -> None:
    query(server, "CREATE ROLE modest LOGIN CREATEDB PASSWORD 'x'")
    query(
        server,
        "GRANT CREATE ON DATABASE postgres TO modest; GRANT CONNECT ON DATABASE template1"
        " TO modest; GRANT CONNECT ON DATABASE postgres TO modest",
    )
    before = databases(server)
    address = f"postgresql://modest:x@{server.host}:{server.port}/postgres"
    spec = SERVICE.spec("postgres", {"url": address, "extensions": EXTENSIONS})
    isolation = PostgresIsolation(SERVICE.external(spec), uuid.uuid4().hex[:8])
    asker = Asker(isolation, isolation._cluster.server, schema)
    try:
        for mode in SERVICE.modes:
            with (
                pytest.raises(ServiceUnavailable, match="'earthdistance' cannot be had") as caught,
                asker.database(mode=mode),
            ):
                pass
            assert 'CREATE EXTENSION "earthdistance"' in str(caught.value.fix)
        assert databases(server) == before
    finally:
        isolation.close()
        query(server, "REVOKE ALL ON DATABASE postgres, template1 FROM modest; DROP ROLE modest")


def test_they_are_part_of_what_a_server_and_a_warm_image_are() -> None:
    plain, extended = (SERVICE.spec("postgres", {"extensions": each}) for each in ([], EXTENSIONS))

    assert plain.fingerprint != extended.fingerprint
    assert "extensions" not in json.dumps(plain.options)
    made = [recipe(spec, "secret") for spec in (plain, extended)]
    assert made[0] is not None
    assert made[1] is not None
    assert made[0].files != made[1].files
