"""What runs is chosen by settings, by a hook, and by servers with names of their own."""

from __future__ import annotations

import pytest

from tests.conftest import Run

ASKS_THE_SERVER = """
import pytest, redis

@pytest.fixture
def config(redis_server):
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as admin:
        yield admin.config_get("*")
"""


@pytest.mark.slow
def test_the_command_line_wins_over_variable_and_file(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    pyproject = "[tool.wflo-testkit]\nredis_databases = 32\n"
    source = "def test(config):\n    assert config['databases'] == '%s'\n"

    def passes(databases: str, *options: str) -> None:
        result = run_suite(
            source % databases, *options, conftest=ASKS_THE_SERVER, pyproject=pyproject
        )
        result.assert_outcomes(passed=1)

    passes("32")
    fresh_environment.setenv("WFLO_TESTKIT_REDIS_DATABASES", "48")
    passes("48")
    passes("64", "--wflo-redis-databases=64")


def test_an_unknown_key_names_the_nearest_one_and_where_it_stands(run_suite: Run) -> None:
    result = run_suite(
        "def test(redis_client):\n    pass\n", pyproject="[tool.wflo-testkit]\nredis_imag = 'x'\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*redis_imag*", "*pyproject.toml*", "*redis_image*"])


@pytest.mark.slow
def test_the_hook_changes_what_runs(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(config):
            assert config["maxmemory"] == "33554432"
        """,
        conftest=ASKS_THE_SERVER
        + """
import dataclasses

def pytest_wflo_spec(spec):
    if spec.service == "redis":
        return dataclasses.replace(spec, command=(*spec.command, "--maxmemory", "32mb"))
""",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_two_servers_of_a_kind_each_bring_their_fixtures(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(redis_client, sessions_client, redis_server, sessions_server):
            redis_client.set("k", "one")
            assert sessions_client.get("k") is None
            assert redis_server.container_id != sessions_server.container_id
        """,
        "--strict-markers",
        pyproject="""
        [tool.wflo-testkit.servers.sessions]
        service = "redis"
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_an_address_in_the_environment_means_no_container(run_suite: Run) -> None:
    result = run_suite(
        """
        import subprocess, sys

        INNER = '''
        def test(redis_client, redis_server, redis_database):
            assert redis_server.is_external
            redis_client.set(redis_database.prefix + "k", "v")
        '''

        def test(redis_server, tmp_path, monkeypatch):
            (tmp_path / "test_inner.py").write_text(INNER.replace("\\n        ", "\\n"))
            monkeypatch.setenv("WFLO_TESTKIT_REDIS_URL", redis_server.url)
            done = subprocess.run(
                [sys.executable, "-m", "pytest", str(tmp_path), "-p", "no:cacheprovider"],
                capture_output=True, text=True, cwd=tmp_path,
            )
            assert "1 passed" in done.stdout, done.stdout
            assert "external at" in done.stdout
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_missing_client_library_names_the_extra(run_suite: Run) -> None:
    result = run_suite(
        "def test(redis_client):\n    pass\n",
        conftest="""
        import sys
        sys.modules["redis"] = None
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install ?wflo-testkit?redis??"])


@pytest.mark.slow
def test_a_variable_that_sets_nothing_is_named_at_the_end(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("WFLO_TESTKIT_REDIS_IMAG", "redis:8")
    result = run_suite("def test(redis_client):\n    pass\n")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["warning: *WFLO_TESTKIT_REDIS_IMAG sets nothing*_IMAGE*"])


ENV = """
[tool.wflo-testkit.env]
SHOP_DATABASE = "{postgres.url}"
SHOP_ENGINE = "{postgres.sqlalchemy_url:asyncpg}"
SHOP_CACHE = "redis://{redis.host}:{redis.port}/{redis.db}"
"""


@pytest.mark.slow
def test_a_variable_with_a_brace_too_few_is_named(run_suite: Run) -> None:
    result = run_suite(
        "def test(wflo_env):\n    pass\n",
        pyproject='[tool.wflo-testkit.env]\nSHOP_DATABASE = "{postgres.url"\n',
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["the variable SHOP_DATABASE cannot be filled", "*looked at:*pyproject.toml*"]
    )


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_wflo_env_fills_the_users_own_variables(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(wflo_env, postgres_database, redis_database):
            where = f"{redis_database.host}:{redis_database.port}/{redis_database.db}"
            assert wflo_env == {
                "SHOP_DATABASE": postgres_database.url,
                "SHOP_ENGINE": postgres_database.sqlalchemy_url("asyncpg"),
                "SHOP_CACHE": f"redis://{where}",
            }
        """,
        pyproject=ENV,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_a_schema_sees_those_that_name_its_own_server(run_suite: Run) -> None:
    result = run_suite(
        """
        import os
        import psycopg
        import pytest

        def fill(url):
            assert os.environ["SHOP_DATABASE"] == url
            assert "SHOP_CACHE" not in os.environ
            with psycopg.connect(os.environ["SHOP_DATABASE"]) as connection:
                connection.execute("CREATE TABLE filled (id int)")

        @pytest.fixture(scope="session")
        def postgres_schema():
            return fill

        def test(postgres_database):
            assert "SHOP_DATABASE" not in os.environ
            with psycopg.connect(postgres_database.url) as connection:
                connection.execute("SELECT * FROM filled")
        """,
        pyproject=ENV,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
@pytest.mark.parametrize(
    ("asked", "fix"),
    [("postgres.uri", "url"), ("postgres.url:psycopg", "known there: url")],
)
def test_wflo_env_names_what_is_nowhere(run_suite: Run, asked: str, fix: str) -> None:
    result = run_suite(
        "def test(wflo_env):\n    pass\n", pyproject=ENV.replace("postgres.url", asked)
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*SHOP_DATABASE asks for {{{asked}}}*", f"*to fix:*{fix}*"])
    result.stdout.no_fnmatch_line("*Traceback*")


LEAVES = """
def test(redis_database):
    import redis
    globals()["forgotten"] = redis.Redis.from_url(redis_database.url)
    forgotten.ping()
"""


WARN = pytest.param("warn", True, marks=pytest.mark.slow)


@pytest.mark.usefixtures("kept_servers")
@pytest.mark.parametrize(("leftovers", "said"), [WARN, ("ignore", False)])
def test_leftovers_are_warned_about_or_ignored(
    pytester: pytest.Pytester, run_suite: Run, leftovers: str, said: bool
) -> None:
    result = run_suite(LEAVES, f"--wflo-leftovers={leftovers}", "-W", "default")

    result.assert_outcomes(passed=1, warnings=int(said))
    assert ("LeftoverWarning: test_it.py::test: " in result.stdout.str()) is said


@pytest.mark.slow
@pytest.mark.usefixtures("kept_servers")
def test_leftovers_can_be_errors(run_suite: Run) -> None:
    result = run_suite(LEAVES, "--wflo-leftovers=error")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*test_it.py::test left something open*", "*leftovers*"])
