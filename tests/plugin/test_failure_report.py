"""A failed test's report shows what its services said, and where its data is kept."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Run


def log_lines(report: str) -> list[str]:
    """Return the lines of all sections of a report that show logs."""
    _before, *parts = re.split(r"^-+ (.*) -+$", report, flags=re.MULTILINE)
    return [
        line
        for title, text in zip(parts[::2], parts[1::2], strict=True)
        if title.endswith("log since the test began")
        for line in text.partition("\n=")[0].strip().splitlines()
    ]


@pytest.mark.slow
def test_the_report_holds_the_log_since_the_test_began_and_nothing_older(run_suite: Run) -> None:
    result = run_suite(
        """
        import pytest
        from sqlalchemy import text
        from sqlalchemy.exc import ProgrammingError

        def test_before(postgres_session):
            with pytest.raises(ProgrammingError):
                postgres_session.execute(text("select * from table_of_the_test_before"))

        def test_failing(postgres_session):
            postgres_session.execute(text("select * from table_of_this_test"))
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    log = result.stdout.str().partition("postgres log since the test began")[2]

    assert 'relation "table_of_this_test" does not exist' in log
    assert "table_of_the_test_before" not in log


@pytest.mark.slow
def test_of_four_servers_a_screen_is_shown_with_complaints_and_the_rest_is_in_files(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(
        """
        import psycopg

        def test_failing(postgres_database, redis_client, kafka_topics, temporal_namespace):
            with psycopg.connect(postgres_database.url) as connection:
                connection.execute("select * from table_that_is_missing")
        """
    )
    result.assert_outcomes(failed=1)
    report = result.stdout.str()
    shown = log_lines(report)
    [folder] = (pytester.path / ".wflo" / "failures").iterdir()

    assert report.partition(" log since the test began")[0].endswith("- postgres")
    assert any('relation "table_that_is_missing" does not exist' in line for line in shown[:20])
    assert len(shown) <= 45
    assert folder.name.startswith("test_it.py-test_failing-")
    assert f"lines in all, in .wflo/failures/{folder.name})" in report
    assert "table_that_is_missing" in (folder / "postgres.log").read_text()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert not [line for line in shown if "wflo-testkit@" in line or "is starting up" in line]
    assert not [line for line in shown if "Memory overcommit" in line or "__transaction" in line]


@pytest.mark.slow
@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_a_server_that_the_test_has_killed_comes_first_with_how_it_ended(
    run_suite: Run, server: str
) -> None:
    result = run_suite(
        f"""
        import subprocess

        def test_failing({server}_server, temporal_server):
            subprocess.run(["docker", "kill", {server}_server.container_id], check=True)
            assert 1 == 2
        """
    )

    result.assert_outcomes(failed=1)
    log = result.stdout.str().partition("assert 1 == 2")[2]
    title = f" {server} ended: exited with code 137 "
    assert title in log
    assert "ready to accept connections" in log.lower().partition(title)[2].partition("\n---")[0]


OWN = """
[tool.wflo-testkit.servers.app]
image = "redis:8.10.1"
entrypoint = ["sh", "-c", "echo up; sleep 2; echo 'ERROR low'; echo bye; exit 3"]
ready = { log = "up" }

[tool.wflo-testkit.servers.hungry]
image = "redis:8.10.1"
entrypoint = ["sh", "-c", "echo up; sleep 1; exec tail /dev/zero"]
ready = { log = "up" }
memory = "32m"
"""


@pytest.mark.slow
def test_a_container_of_ones_own_is_reported_with_exit_code_memory_and_last_lines(
    run_suite: Run,
) -> None:
    result = run_suite(
        """
        from wflo_testkit import wait_until

        def test_failing(app_server, hungry_server):
            for each in app_server, hungry_server:
                wait_until(lambda: each.state != "running", timeout=20)
            assert 1 == 2
        """,
        pyproject=OWN,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            *("*- app ended: exited with code 3 -*", "up", "ERROR low", "bye", "(3 lines in all*"),
            *("*- hungry ended: exited with code 137 (out of memory) -*", "up", "(1 line in all*"),
        ]
    )


@pytest.mark.slow
def test_the_connections_of_a_pool_are_told_once_for_all_workers(run_suite: Run) -> None:
    suite = """
        import psycopg
        import pytest

        OPEN = []

        @pytest.mark.parametrize("number", range(6))
        def test_uses_a_pool(postgres_database, redis_database, number):
            import redis

            OPEN.append(psycopg.connect(postgres_database.url, autocommit=True))
            OPEN[-1].execute(f"select {number}")
            OPEN.append(redis.Redis.from_url(redis_database.url))
            OPEN[-1].ping()
        """
    warns = ("-n2", "-W", "default::wflo_testkit.errors.LeftoverWarning")
    result = run_suite(suite, *warns, "-W", "ignore::ResourceWarning")

    result.assert_outcomes(passed=6, warnings=2)
    assert result.stdout.str().count("was left open") == 2
    result.stdout.fnmatch_lines(["*a connection was left open;* (told once a run: it was idle)"])
    strict = run_suite(suite, "-W", "ignore::ResourceWarning", "--wflo-leftovers=error")
    strict.assert_outcomes(passed=6, errors=6)


@pytest.mark.slow
def test_what_is_no_pools_is_told_for_each_test(run_suite: Run) -> None:
    result = run_suite(
        """
        import psycopg
        import pytest

        OPEN = []

        @pytest.mark.parametrize("number", range(3))
        def test_forgets(postgres_database, number):
            OPEN.append(psycopg.connect(postgres_database.url))
            OPEN[-1].execute(f"select {number}")
        """,
        *("-W", "default::wflo_testkit.errors.LeftoverWarning", "-W", "ignore::ResourceWarning"),
    )

    result.assert_outcomes(passed=3, warnings=3)


@pytest.mark.slow
def test_tests_that_fail_in_two_workers_have_a_folder_each(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(
        """
        import pytest

        from sqlalchemy import text

        @pytest.mark.parametrize("number", range(12))
        def test_failing(postgres_session, number):
            postgres_session.execute(text(f"select * from table_{number}"))
        """,
        "-n2",
    )

    result.assert_outcomes(failed=12)
    folders = list((pytester.path / ".wflo" / "failures").iterdir())
    assert len(folders) == 12
    for folder in folders:
        number = folder.name.rpartition("-")[0].rpartition("-")[2]
        assert f'"table_{number}"' in (folder / "postgres.log").read_text()
    log = [line for line in log_lines(result.stdout.str()) if "ERROR" in line]
    assert len(log) == len(set(log)) == 12  # of each test its own, and no other test's


@pytest.mark.slow
def test_a_passing_test_shows_no_log(run_suite: Run) -> None:
    result = run_suite("def test(redis_client):\n    redis_client.ping()\n", "-rA")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*log since the test began*")


FAKED_LOSS = """
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.errors import BrokerLost

def lost(*_args):
    raise BrokerLost("whoever could tell is gone")

BrokerClient.logs = BrokerClient.ended = BrokerClient.dump = lost
"""


@pytest.mark.slow
def test_a_log_that_a_faked_loss_keeps_from_it_costs_no_report(run_suite: Run) -> None:
    suite = "def test(redis_server, postgres_database):\n    assert 1 == 2\n"
    result = run_suite(suite, conftest=FAKED_LOSS)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("* for you to look at*")
    result.stdout.no_fnmatch_line("*log since the test began*")
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.slow
def test_a_report_file_that_cannot_be_written_costs_a_warning_and_not_the_run(
    run_suite: Run,
) -> None:
    result = run_suite(
        "def test(redis_client):\n    redis_client.ping()\n",
        "--wflo-report=test_it.py/in/a/file.json",
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["warning: the report could not be written: *test_it.py*"])


@pytest.mark.slow
def test_a_passing_tests_database_is_not_kept(run_suite: Run) -> None:
    result = run_suite(
        """
        import psycopg, pytest
        from wflo_testkit import wait_until

        used = {}

        def test_passing(postgres_database):
            used["url"] = postgres_database.url

        def test_later():
            def closed():
                try:
                    psycopg.connect(used["url"]).close()
                except psycopg.OperationalError as error:  # recycled under a new password
                    return any(each in str(error) for each in ("authentication", "does not exist"))
                return False

            wait_until(closed, timeout=20, describe="the database is out of reach")
        """
    )
    result.assert_outcomes(passed=2)


@pytest.mark.slow
def test_a_server_of_a_service_that_nobody_knows_does_not_cost_the_report(run_suite: Run) -> None:
    result = run_suite(
        """
        import pytest
        from wflo_testkit import Server

        @pytest.fixture
        def server(wflo_container):
            return Server(service="nobodys", name="nobodys", host="127.0.0.1", ports={})

        def test_failing(server):
            assert 1 == 2

        def test_later():
            pass
        """
    )

    result.assert_outcomes(passed=1, failed=1)
