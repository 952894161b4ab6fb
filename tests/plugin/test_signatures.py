"""A lease takes its schema as an argument, a convenience its lease; the rest is pytest's own."""

from __future__ import annotations

import pytest

from tests.conftest import Run

DECLARED = '[tool.wflo-testkit.servers.orders]\nservice = "postgres"\n'


def test_the_plan_shows_what_depends_on_what_and_starts_nothing(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    result = run_suite(
        """
        def test_session(postgres_session): pass
        def test_empty(postgres_empty_database): pass
        def test_orders(orders_async_engine): pass
        def test_worker(temporal_worker): pass
        """,
        "--setup-plan",
        pyproject=DECLARED,
    )

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "SETUP    S postgres_schema",
            "*SETUP    F postgres_database (fixtures used: postgres_schema)",
            "*SETUP    F postgres_session (fixtures used: postgres_database)",
            "*SETUP    F postgres_empty_database",
            "SETUP    S orders_schema",
            "*SETUP    F orders_database (fixtures used: orders_schema)",
            "*SETUP    F orders_async_engine (fixtures used: orders_database)",
            "*SETUP    F temporal_worker (fixtures used: temporal_namespace)",
        ]
    )


def test_the_fixtures_of_a_test_are_told(run_suite: Run) -> None:
    result = run_suite("def test(orders_session): pass", "--fixtures-per-test", pyproject=DECLARED)

    found = [line.partition(" -- ")[0] for line in result.outlines if line.startswith("orders")]
    assert found == ["orders_database", "orders_schema", "orders_session"]


OVERRIDDEN = """
import psycopg
import pytest

@pytest.fixture
def postgres_database(postgres_database):
    with psycopg.connect(postgres_database.url) as connection:
        connection.execute("CREATE TABLE made_by_the_override (id int)")
    return postgres_database
"""


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_an_override_that_asks_for_the_original_is_what_a_convenience_stands_on(
    run_suite: Run,
) -> None:
    result = run_suite(
        """
        from sqlalchemy import text

        def test(postgres_session):
            assert postgres_session.scalar(text("SELECT count(*) FROM made_by_the_override")) == 0
        """,
        conftest=OVERRIDDEN,
    )
    result.assert_outcomes(passed=1)


PARAMS = """
import pytest

@pytest.fixture(scope="session", params=["one", "two"])
def postgres_schema(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "schema.sql"
    path.write_text(f"CREATE TABLE {request.param} (id int);")
    return path
"""


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_each_parameter_of_a_schema_is_a_template_of_its_own(run_suite: Run) -> None:
    result = run_suite(
        """
        from sqlalchemy import inspect

        templates = {}

        def test_the_table(postgres_engine, postgres_database, request):
            [table] = inspect(postgres_engine).get_table_names()
            assert table == request.node.callspec.params["postgres_schema"]
            templates[table] = postgres_database.template

        def test_afterwards():
            assert len(set(templates.values())) == 2
        """,
        conftest=PARAMS,
    )
    result.assert_outcomes(passed=3)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_a_schema_may_be_narrower_than_the_session_and_differ_by_folder(run_suite: Run) -> None:
    schema = """
        import pytest

        @pytest.fixture{scope}
        def postgres_schema(tmp_path):
            (tmp_path / "it.sql").write_text("CREATE TABLE {table} (id int);")
            return tmp_path / "it.sql"
        """
    test = """
        from sqlalchemy import inspect

        def test(postgres_engine):
            assert inspect(postgres_engine).get_table_names() == ["{table}"]
        """
    result = run_suite(
        test.format(table="outside"),
        conftest=schema.format(scope="", table="outside"),
        files={
            "inner/conftest.py": schema.format(scope="", table="inside"),
            "inner/test_inner.py": test.format(table="inside"),
        },
    )
    result.assert_outcomes(passed=2)


CLOSES = """
import pytest

closed = []

@pytest.fixture
def postgres_database(postgres_database):
    yield postgres_database
    closed.append("database")

@pytest.fixture
def postgres_engine(postgres_engine):
    yield postgres_engine
    closed.append("engine")

@pytest.fixture(scope="session")
def postgres_schema():
    yield None
    closed.append("schema")

def pytest_unconfigure():
    print("closed:", *closed)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_what_stands_on_something_is_closed_before_it(run_suite: Run) -> None:
    result = run_suite("def test(postgres_database, postgres_engine): pass", conftest=CLOSES)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*closed: engine database schema"])
