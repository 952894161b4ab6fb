"""The Postgres fixtures in suites as users write them: whole runs, one and two processes."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("kept_servers")

CONFTEST = """
import pytest, sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True))

@pytest.fixture(scope="session")
def postgres_schema():
    return metadata
"""
BUYING = """
import pytest
from sqlalchemy import text

def buy(session):
    assert session.scalar(text("select count(*) from orders")) == 0
    session.execute(text("insert into orders values (1)"))
    session.commit()

async def buy_async(session):
    assert await session.scalar(text("select count(*) from orders")) == 0
    await session.execute(text("insert into orders values (1)"))
    await session.commit()

"""
ONE_MODE = """
@pytest.mark.wflo(postgres="{mode}")
class Test_{mode}:
    @pytest.mark.parametrize("n", range(4))
    def test_sync(self, postgres_session, n):
        buy(postgres_session)

    @pytest.mark.parametrize("n", range(2))
    async def test_async(self, postgres_async_session, n):
        await buy_async(postgres_async_session)

    def test_fails(self, postgres_session):
        buy(postgres_session)
        raise ZeroDivisionError
"""
MODES = ("database", "rollback", "schema", "create")
AUTO = ("-o", "asyncio_mode=auto")


def suite(*modes: str) -> str:
    return BUYING + "".join(ONE_MODE.format(mode=mode) for mode in modes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [(), ("-p", "randomly", "-p", "no:cacheprovider"), ("-n", "2")],
    ids=["in order", "in random order", "in two processes"],
)
def test_the_same_key_goes_in_in_every_mode(run_suite: Run, options: tuple[str, ...]) -> None:
    modes = MODES if "-n" not in options else MODES[:3]
    result = run_suite(suite(*modes), *AUTO, *options, conftest=CONFTEST)

    result.assert_outcomes(passed=6 * len(modes), failed=len(modes))
    result.stdout.fnmatch_lines(["*psql 'postgresql://*"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_setting_chooses_the_mode(run_suite: Run, mode: str) -> None:
    result = run_suite(
        f"""
        def test(postgres_database):
            assert postgres_database.mode == "{mode}"
        """,
        f"--wflo-postgres-isolation={mode}",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_folders_may_have_schemas_of_their_own(run_suite: Run) -> None:
    def folder(table: str) -> dict[str, str]:
        return {
            f"{table}/__init__.py": " ",
            f"{table}/schema.sql": f"create table {table} (id int);",
            f"{table}/conftest.py": """
                import pytest
                from pathlib import Path

                @pytest.fixture
                def postgres_schema():
                    return Path(__file__).parent / "schema.sql"
                """,
            f"{table}/test_it.py": f"""
                from sqlalchemy import inspect

                def test_one(postgres_engine):
                    assert inspect(postgres_engine).get_table_names() == ["{table}"]

                def test_two(postgres_engine):
                    assert inspect(postgres_engine).get_table_names() == ["{table}"]

                def test_empty(postgres_empty_database):
                    assert postgres_empty_database.url
                """,
        }

    result = run_suite(files={**folder("cats"), **folder("dogs")})

    result.assert_outcomes(passed=6)


@pytest.mark.slow
def test_leftovers_are_warned_about_with_the_tests_name(run_suite: Run) -> None:
    result = run_suite(
        """
        import psycopg
        kept = []

        def test_leaves(postgres_database):
            connection = psycopg.connect(postgres_database.url)
            connection.execute("create table half (id int)")
            kept.append(connection)

        def test_after():
            kept.pop().close()
        """,
        *("-W", "default"),
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py::test_leaves: a transaction (* was left open*"])


@pytest.mark.parametrize("mode", quick(MODES, ("database",)))
def test_a_broken_schema_is_explained_without_a_traceback(run_suite: Run, mode: str) -> None:
    result = run_suite(
        "def test(postgres_session): pass",
        f"--wflo-postgres-isolation={mode}",
        conftest="""
        import pytest
        from pathlib import Path

        @pytest.fixture
        def postgres_schema():
            return Path(__file__).parent / "schema.sql"
        """,
        files={"schema.sql": "create table fine ();\ncreate table broken (id nonsense);"},
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*schema.sql, line 2:*", "*nonsense*", "*postgres_schema*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*services/postgres/*")


@pytest.mark.slow
def test_rollback_says_why_there_is_no_engine(run_suite: Run) -> None:
    result = run_suite("def test(postgres_engine): pass", "--wflo-postgres-isolation=rollback")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*postgres_engine is not to be had*", "*postgres_session*"])
    result.stdout.no_fnmatch_line("*services/postgres/*")


@pytest.mark.slow
def test_a_worker_that_dies_while_it_applies_the_schema_is_succeeded(run_suite: Run) -> None:
    result = run_suite(
        """
        import pytest
        from sqlalchemy import inspect

        @pytest.mark.parametrize("n", range(4))
        def test(postgres_engine, n):
            assert inspect(postgres_engine).get_table_names() == ["whole"]
        """,
        *("-n", "2"),
        conftest="""
        import os, pathlib, psycopg, pytest
        from wflo_testkit.wait import wait_until

        here = pathlib.Path(__file__).parent

        def pytest_runtest_setup(item):
            (here / f"arrived-{os.getpid()}").touch()

        def apply(url):
            with psycopg.connect(url, autocommit=True) as connection:
                if not (here / "died").exists():
                    (here / "died").touch()
                    connection.execute("create table half ()")
                    # The other worker has come as far as asking for the template, too.
                    wait_until(lambda: len(list(here.glob("arrived-*"))) > 1, timeout=60)
                    os._exit(1)
                connection.execute("create table whole ()")

        @pytest.fixture(scope="session")
        def postgres_schema():
            return apply
        """,
    )
    # The test on which the worker died is xdist's failure; all others see the whole schema.
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*worker*crashed while running*"])


ASYNC_SUITE = """
import pytest, pytest_asyncio
from sqlalchemy import text

anyio_backend = pytest.fixture(lambda: "asyncio", name="anyio_backend")

{fixture}
async def filled(postgres_async_session):
    await postgres_async_session.execute(text("insert into orders values (1)"))
    await postgres_async_session.commit()
    yield postgres_async_session
    await postgres_async_session.execute(text("insert into orders values (3)"))

{mark}
@pytest.mark.parametrize("mode", ["database", "schema", "create", "rollback"])
async def test_session(filled):
    await filled.execute(text("insert into orders values (2)"))
    assert await filled.scalar(text("select count(*) from orders")) == 2

{mark}
@pytest.mark.parametrize("n", [1, 2])
async def test_engine(postgres_async_engine, n):
    async with postgres_async_engine.begin() as connection:
        await connection.execute(text("insert into orders values (1)"))
    async with postgres_async_engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from orders")) == 1

{mark}
async def test_session_in_the_middle_of_a_transaction(postgres_async_session):
    await postgres_async_session.execute(text("insert into orders values (1)"))

def test_nobody_uses_it(postgres_async_session, postgres_async_engine):
    pass
"""
# The parameter names the mode; the marker has to be there before the fixtures are made.
MARKING = """
def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item, "callspec") and "mode" in item.callspec.params:
            item.add_marker(pytest.mark.wflo(postgres=item.callspec.params["mode"]))

@pytest.fixture
def mode(request):
    return request.param
"""
ARRANGEMENTS = {
    "auto, a loop per test": (("", "@pytest_asyncio.fixture"), AUTO),
    "strict, a loop per test": (
        ("@pytest.mark.asyncio", "@pytest_asyncio.fixture"),
        ("-o", "asyncio_mode=strict"),
    ),
    "auto, a session loop": (
        ("", "@pytest_asyncio.fixture"),
        (
            *AUTO,
            *("-o", "asyncio_default_test_loop_scope=session"),
            *("-o", "asyncio_default_fixture_loop_scope=session"),
        ),
    ),
    "anyio": (("@pytest.mark.anyio", "@pytest.fixture"), ("-p", "no:asyncio")),
}


@pytest.mark.slow
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_async_fixtures_work_with_every_loop(run_suite: Run, arrangement: str) -> None:
    (mark, fixture), options = ARRANGEMENTS[arrangement]
    source = ASYNC_SUITE.format(mark=mark, fixture=fixture).replace(
        "async def test_session(filled)", "async def test_session(mode, filled)"
    )
    result = run_suite(source, *options, conftest=CONFTEST + MARKING)

    result.assert_outcomes(passed=8)
