"""Logins that obey row level security, in whole runs: several workers, deaths, reports."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.services.postgres_server import Asker, PostgresServer, query, server
from tests.services.test_postgres_row_security import WHOLE, connected, logins_on
from tests.services.test_postgres_templates import KIND, Counting
from wflo_testkit.services.postgres.handle import handle_of
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.sweep import sweep

__all__ = ["server"]

pytestmark = pytest.mark.slow

CONFTEST = f"""
    import psycopg
    import pytest

    def schema(url):
        with psycopg.connect(url) as connection:
            connection.execute({WHOLE!r})

    @pytest.fixture(scope="session")
    def postgres_schema():
        return schema
"""
TOGETHER = """
    import psycopg
    import pytest

    @pytest.mark.parametrize("tenant", ["red", "blue", "red", "blue", "red", "blue"])
    def test_sees_its_own(postgres_database, tenant):
        with psycopg.connect(postgres_database.as_role("app")) as app:
            app.execute(f"SET app.tenant = '{tenant}'; UPDATE notes SET body = 'seen'")
            assert app.execute("SELECT DISTINCT tenant FROM notes").fetchall() == [(tenant,)]
        with psycopg.connect(postgres_database.url) as owner:
            seen = owner.execute("SELECT DISTINCT tenant FROM notes WHERE body = 'seen'")
            assert seen.fetchall() == [(tenant,)]
"""
DIES = """
    import os
    import signal
    from pathlib import Path

    import psycopg
    import pytest
    from wflo_testkit.wait import wait_until

    def test_dies(postgres_database):
        connection = psycopg.connect(postgres_database.as_role("app"), autocommit=True)
        Path("login").write_text(connection.execute("SELECT current_user").fetchone()[0])
        os.kill(os.getpid(), signal.SIGKILL)

    def test_afterwards(postgres_server):
        login = Path("login").read_text()
        with psycopg.connect(postgres_server.url, autocommit=True) as administrator:
            def is_gone():
                sql = "SELECT FROM pg_roles WHERE rolname = %s"
                return administrator.execute(sql, (login,)).rowcount == 0
            wait_until(is_gone, timeout=30)
"""
FAILS = """
    from pathlib import Path
    from urllib.parse import urlsplit

    import psycopg

    def test_fails(postgres_database):
        url = postgres_database.as_role("app")
        engine = postgres_database.as_role("app", driver="asyncpg")
        Path("password").write_text(urlsplit(url).password)
        print(url)
        psycopg.connect(url, dbname="postgres")
"""

DEAF = """
    from wflo_testkit.run import leasing

    assert leasing._call
    leasing._call = lambda broker, learn, lease_id, verb, **args: broker.call(lease_id, verb, args)
"""


@pytest.mark.usefixtures("kept_servers")
def test_workers_have_logins_of_one_name_at_once(run_suite: Run) -> None:
    result = run_suite(TOGETHER, "-n", "2", conftest=CONFTEST)

    result.assert_outcomes(passed=6)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_a_killed_workers_login_goes(run_suite: Run) -> None:
    result = run_suite(DIES, "-n", "1", conftest=CONFTEST)

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*worker 'gw0' crashed while running*test_dies*"])


@pytest.mark.usefixtures("kept_servers")
@pytest.mark.parametrize(
    "workers", ["0", pytest.param("1", marks=pytest.mark.slow)], ids=["alone", "in a worker"]
)
def test_a_failing_test_shows_no_password_of_it(
    run_suite: Run, pytester: pytest.Pytester, workers: str
) -> None:
    result = run_suite(FAILS, "-n", workers, "--showlocals", conftest=CONFTEST)

    result.assert_outcomes(failed=1)
    password = Path(pytester.path / "password").read_text()
    assert len(password) > 20
    assert password not in str(result.stdout) + str(result.stderr)
    result.stdout.fnmatch_lines(["*postgresql://wflo_*_as_*_app:[*][*][*]@*"])


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_without_a_note_of_what_the_broker_answers_it_would(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    """A mutant of the masking."""
    result = run_suite(FAILS, "-n", "0", "--showlocals", conftest=CONFTEST + DEAF)

    result.assert_outcomes(failed=1)
    assert (pytester.path / "password").read_text() in str(result.stdout)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "ended"])
def test_nothing_of_it_is_left_on_a_server_that_outlives_the_run(
    server: PostgresServer, killed: bool
) -> None:
    kept = dataclasses.replace(server, is_shared=True)
    run = uuid.uuid4().hex[:8]
    isolation = PostgresIsolation(kept, run)
    asker = Asker(isolation, kept, Counting("outlives", WHOLE))
    handle = handle_of(asker.take(KIND))  # and nobody gives it back
    with connected(handle) as app:
        app.execute("SELECT 1")
        assert len(logins_on(server)) == 1

        if killed:
            isolation._pool.close()  # no thread of it goes on
            for _step in sweep(kept, [run]):
                pass
        else:
            isolation.close()

        assert query(server, f"SELECT rolname FROM pg_roles WHERE rolname ~ '^wflo_{run}'") == []
    isolation.close()
