"""A failed test's data is dumped where its server goes with the run, else kept, as is said."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Run
from wflo_testkit.model import Server

FAILING = """
    import pytest
    from sqlalchemy import text

    {marks}
    def test_failing({fixtures}):
        postgres_session.execute(text("create table evidence (fact text)"))
        postgres_session.execute(text("insert into evidence values ('it was me')"))
        postgres_session.commit()
        assert False
"""


def failing(marks: str = "", fixtures: str = "postgres_database, postgres_session") -> str:
    return FAILING.format(marks=marks, fixtures=fixtures)


def folder(pytester: pytest.Pytester) -> Path:
    [found] = (pytester.path / ".wflo" / "failures").iterdir()
    return found


def opened(pytester: pytest.Pytester, output: str, statement: str) -> str:
    """Run the command of the report as a new user would, and ask psql for something."""
    [line] = re.findall("^postgres_database: (sh .*)$", output, re.MULTILINE)
    done = subprocess.run(
        shlex.split(line),
        cwd=pytester.path,
        input=statement,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_a_failed_tests_database_is_dumped_and_nothing_is_said_to_be_kept(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(failing())

    result.assert_outcomes(failed=1)
    file = folder(pytester) / "postgres_database.sql"
    result.stdout.fnmatch_lines(
        [
            "*- dumped for you to look at; *",
            f"postgres_database: sh .wflo/*{folder(pytester).name}*",
        ]
    )
    result.stdout.no_fnmatch_line("*kept for you to look at*")
    assert "it was me" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.parametrize(
    "marks",
    [
        "",
        '@pytest.mark.wflo(postgres="own_server")',
        '@pytest.mark.wflo(postgres="schema")',
        '@pytest.mark.wflo(postgres="create")',
    ],
)
def test_the_command_of_the_report_loads_the_dump_into_an_empty_database(
    run_suite: Run, pytester: pytest.Pytester, marks: str
) -> None:
    result = run_suite(failing(marks))

    result.assert_outcomes(failed=1)
    wherever = """
        select format('select fact from %I.evidence', relnamespace::regnamespace)
        from pg_class where relname = 'evidence' \\gexec
        """
    assert "it was me" in opened(pytester, result.stdout.str(), wherever)


@pytest.mark.slow
def test_a_dump_takes_along_what_a_schema_and_its_extensions_bring(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    """And loads without a complaint: roles that end with the run are left out."""
    result = run_suite(
        failing(),
        conftest="""
        import pytest

        @pytest.fixture(scope="session")
        def postgres_schema():
            return "schema.sql"
        """,
        pyproject="""
        [tool.wflo-testkit]
        postgres_extensions = ["pgcrypto"]
        """,
        files={
            "schema.sql": """
            CREATE SEQUENCE numbers START 41;
            CREATE TABLE orders (id int PRIMARY KEY DEFAULT nextval('numbers'), what text);
            ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
            CREATE POLICY everybody ON orders USING (true);
            CREATE VIEW seen AS SELECT what FROM orders;
            INSERT INTO orders (what) VALUES ('seed');
            GRANT SELECT ON orders TO PUBLIC;
            """
        },
    )

    result.assert_outcomes(failed=1)
    look = "select * from seen; select nextval('numbers')"
    told = opened(pytester, result.stdout.str(), look)
    assert "seed" in told
    assert "42" in told


@pytest.mark.slow
def test_more_than_twenty_megabytes_are_left_out_and_the_run_says_so(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(
        """
        from sqlalchemy import text

        def test_failing(postgres_session):
            many = "select md5(n::text) from generate_series(1, 700000) n"
            postgres_session.execute(text(f"create table many as {many}"))
            postgres_session.commit()
            assert False
        """
    )

    result.assert_outcomes(failed=1)
    name = f"{folder(pytester).name}/postgres_database.sql"
    result.stdout.fnmatch_lines([f"{name} has no data: with it, it would be larger than 20000000*"])
    dumped = (folder(pytester) / "postgres_database.sql").read_text()
    assert dumped.startswith("-- Without its data")
    assert "CREATE TABLE public.many" in dumped


@pytest.mark.slow
def test_after_a_rollback_nothing_is_said_to_be_there(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(failing('@pytest.mark.wflo(postgres="rollback")'))

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("* for you to look at*")
    assert [path.suffix for path in folder(pytester).iterdir()] == [".log"]


@pytest.mark.slow
def test_of_redis_and_temporal_nothing_is_said_where_the_server_goes(run_suite: Run) -> None:
    result = run_suite("def test(redis_database, temporal_namespace):\n    assert False\n")

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("* for you to look at*")


@pytest.mark.slow
def test_on_a_kept_server_the_command_opens_it_and_there_is_no_dump(
    run_suite: Run, pytester: pytest.Pytester, own_kept_servers: None
) -> None:
    result = run_suite(failing())

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- kept for you to look at, until the next run -*"])
    assert [path.suffix for path in folder(pytester).iterdir()] == [".log"]
    assert "it was me" in _ask_kept(result.stdout.str())


@pytest.mark.slow
def test_with_keep_the_command_opens_it_after_the_run(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(failing(), "--wflo-keep")
    output = result.stdout.str()
    [run] = re.findall("wflo-testkit: .*, run ([0-9a-f]+),", output)
    try:
        result.assert_outcomes(failed=1)
        assert "kept for you to look at, until `wflo-testkit clean --all`" in output
        assert "it was me" in _ask_kept(output)
    finally:
        names = subprocess.run(
            ["docker", "ps", "-aq", "--filter", f"name=-{run}-"],
            capture_output=True,
            text=True,
            check=True,
        )
        subprocess.run(["docker", "rm", "-fv", *names.stdout.split()], check=True)


def _ask_kept(output: str) -> str:
    [command] = re.findall("^postgres_database: (docker .*)$", output, re.MULTILINE)
    words = shlex.split(command.replace(" -it ", " "))
    done = subprocess.run(
        [*words, "-c", "select fact from evidence"], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_two_workers_dumps_are_all_there_and_five_stay(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.parametrize("number", range(8))
        def test_failing(postgres_session, number):
            postgres_session.execute(text(f"create table number_{number} ()"))
            postgres_session.commit()
            assert False
        """,
        "-n2",
    )

    result.assert_outcomes(failed=8)
    dumps = list((pytester.path / ".wflo" / "failures").glob("*/*.sql"))
    assert len(dumps) == 5
    for each in dumps:
        number = each.parent.name.rpartition("-")[0].rpartition("-")[2]
        assert f"number_{number}" in each.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["function", "module"])
@pytest.mark.parametrize("mode", ["database", "create", "schema"])
def test_a_schema_that_fails_shows_its_error_and_promises_no_dump(
    run_suite: Run, pytester: pytest.Pytester, scope: str, mode: str
) -> None:
    result = run_suite(
        """
        def test_never_runs(postgres_database):
            pass
        """,
        f"--wflo-postgres-isolation={mode}",
        conftest=f"""
        import pytest
        from wflo_testkit import scoped

        if "{scope}" == "module":
            postgres_database = scoped("postgres_database", scope="module")

        @pytest.fixture(scope="session")
        def postgres_schema():
            return "schema.sql"
        """,
        files={"schema.sql": "CREATE TABLE a (b int REFERENCES nowhere);"},
    )

    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("* for you to look at*")
    section = result.stdout.str().partition("- postgres log since the test began -")[2]
    # On a busy machine Docker may not have read the line yet: then it is in neither.
    log = (folder(pytester) / "postgres.log").read_text()
    assert ('ERROR:  relation "nowhere"' in section) is ('ERROR:  relation "nowhere"' in log)


PG_DUMP = """\
#!/bin/sh
exec docker run --rm --network host --env PGPASSWORD {image} pg_dump "$@"
"""
"""Of the server's version, which this machine need not have."""


def external(
    postgres_server: Server, environment: pytest.MonkeyPatch, path: Path, pg_dump: str = ""
) -> None:
    """Let runs find somebody else's server, and a program `pg_dump` in the folder `path`."""
    environment.setenv("WFLO_TESTKIT_POSTGRES_URL", postgres_server.url)  # type: ignore[attr-defined]
    environment.setenv("PATH", f"{path}:{os.environ['PATH']}")
    path.mkdir()
    if pg_dump:
        (path / "pg_dump").write_text(pg_dump)
        (path / "pg_dump").chmod(0o755)


@pytest.mark.slow
def test_an_external_servers_database_is_dumped_by_this_machines_pg_dump(
    run_suite: Run,
    pytester: pytest.Pytester,
    postgres_server: Server,
    fresh_environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    program = PG_DUMP.format(image=postgres_server.image)
    external(postgres_server, fresh_environment, tmp_path / "bin", program)
    result = run_suite(failing())

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*kept for you to look at*")
    result.stdout.fnmatch_lines(["postgres_database: sh .wflo/failures/*/postgres_database.sh"])
    assert "it was me" in (folder(pytester) / "postgres_database.sql").read_text()
    assert postgres_server.password not in result.stdout.str()


@pytest.mark.slow
def test_a_pg_dump_that_fails_is_named_by_the_runs_last_lines(
    run_suite: Run,
    pytester: pytest.Pytester,
    postgres_server: Server,
    fresh_environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    program = "#!/bin/sh\necho server version mismatch >&2\nexit 1\n"
    external(postgres_server, fresh_environment, tmp_path / "bin", program)
    result = run_suite(failing())

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*/postgres_database.sql is missing: pg_dump did not come to its end: *mismatch"]
    )


@pytest.mark.slow
def test_without_a_pg_dump_nothing_is_promised_of_an_external_server(
    run_suite: Run,
    postgres_server: Server,
    fresh_environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    external(postgres_server, fresh_environment, tmp_path / "bin")
    fresh_environment.setenv("PATH", str(tmp_path / "bin"))
    result = run_suite(failing())

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("* for you to look at*")


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["module", "run"])
@pytest.mark.parametrize("options", [(), ("--wflo-reuse",)], ids=["own", "kept"])
def test_the_dump_of_a_failed_test_precedes_the_next_reset(
    run_suite: Run,
    pytester: pytest.Pytester,
    own_kept_servers: None,
    fresh_environment: pytest.MonkeyPatch,
    scope: str,
    options: tuple[str, ...],
) -> None:
    fresh_environment.delenv("WFLO_TESTKIT_REUSE")
    result = run_suite(
        f"""
        import psycopg
        from wflo_testkit import scoped

        shop_database = scoped("postgres_database", scope="{scope}")

        def test_failing(shop_database):
            with psycopg.connect(shop_database.url) as one:
                one.execute("create table evidence as select 'it was me' as fact")
            assert False

        def test_later(shop_database):
            shop_database.reset()
            with psycopg.connect(shop_database.url) as one:
                assert one.execute("select to_regclass('evidence')").fetchall() == [(None,)]
        """,
        *options,
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["shop_database: sh .wflo/failures/*/shop_database.sh"])
    kept = "shop_database: docker exec -it *  # as the last test that uses it leaves it"
    told = result.stdout.fnmatch_lines if options else result.stdout.no_fnmatch_line
    told(kept)
    assert "it was me" in (folder(pytester) / "shop_database.sql").read_text()
