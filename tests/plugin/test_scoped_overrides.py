"""A schema per folder, and the answer where two of them reach one lease."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow

OF_ALL = """
from wflo_testkit import scoped
shop_database = scoped("postgres_database", scope="{scope}")
"""
SCHEMA = """
from pathlib import Path
import pytest

@pytest.fixture(scope="session")
def postgres_schema():
    return Path(__file__).parent / "schema.sql"
"""
LOOKING = """
import psycopg

def test(shop_database):
    with psycopg.connect(shop_database.url) as connection:
        found = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE 'of_%'")
        assert found.fetchall() == [("of_{name}",)]

def test_again(shop_database):
    test(shop_database)
"""


def folder(name: str, more: str = "") -> dict[str, str]:
    return {
        f"{name}/__init__.py": "# a package",
        f"{name}/conftest.py": more + SCHEMA,
        f"{name}/schema.sql": f"CREATE TABLE of_{name} (id int);",
        f"{name}/test_{name}.py": LOOKING.format(name=name),
    }


def test_two_schemas_that_reach_one_session_lease_are_an_error_that_names_both(
    run_suite: Run, kept_servers: None
) -> None:
    files = folder("a") | folder("b")
    both = run_suite(conftest=OF_ALL.format(scope="session"), files=files)
    alone = run_suite("", "a")

    both.assert_outcomes(errors=4)
    both.stdout.fnmatch_lines(
        [
            "two definitions of 'postgres_schema' reach one lease, 'shop_database'",
            "*postgres_schema of a/conftest.py:4 and b/conftest.py:4",
            '*looked at: scoped("postgres_database", scope="session") of conftest.py:2',
            '*to fix: *write `shop_database = scoped("postgres_database", scope="session")` into*',
        ]
    )
    alone.assert_outcomes(passed=2)


def test_a_folder_without_a_schema_and_one_with_it_are_told_apart(
    run_suite: Run, kept_servers: None
) -> None:
    result = run_suite(
        "def test_of_the_root(shop_database): pass",
        conftest=OF_ALL.format(scope="run"),
        files=folder("a"),
    )

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*of a/conftest.py:4 and the kit, which is None"])


def test_each_folder_has_its_schema_where_the_scope_is_narrower_or_the_lease_its_own(
    run_suite: Run, kept_servers: None
) -> None:
    own = OF_ALL.format(scope="session")
    result = run_suite(
        conftest=OF_ALL.format(scope="module"), files=folder("a") | folder("b", own) | folder("c")
    )

    result.assert_outcomes(passed=6)


def test_one_schema_that_two_folders_import_is_no_conflict(
    run_suite: Run, kept_servers: None
) -> None:
    files = folder("a") | folder("b")
    files |= {f"{name}/conftest.py": "from shared import postgres_schema" for name in "ab"}
    files |= {"shared.py": SCHEMA, "schema.sql": "CREATE TABLE of_a (id int);"}
    files["b/test_b.py"] = files["a/test_a.py"]
    result = run_suite(conftest=OF_ALL.format(scope="session"), files=files)

    result.assert_outcomes(passed=4)


def test_without_the_check_the_second_folder_gets_the_schema_of_the_first(
    run_suite: Run, kept_servers: None
) -> None:
    """A mutant: what pytest alone makes of it."""
    off = """
from wflo_testkit.plugin.overrides import Overrides
Overrides.refuse_two = lambda *_: None
"""
    result = run_suite(
        conftest=off + OF_ALL.format(scope="session"), files=folder("a") | folder("b")
    )

    result.assert_outcomes(passed=2, failed=2)
