"""The Alembic trees of other projects, as their wheels bring them, each in its own environment."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.reuse.parts import docker
from tests.trees import suites
from tests.trees.suites import Tree
from wflo_testkit.services.postgres.handle import PostgresDatabase

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("own_kept_servers")]

SMALL = [suites.OPTUNA, suites.MLFLOW, suites.PREFECT]
LARGE = [suites.DAGSTER, suites.LANGFLOW, suites.AIRFLOW]


def each(trees: Callable[[Tree], object] = bool) -> pytest.MarkDecorator:
    """Run a test with each tree for which `trees` is true."""
    marked = [(SMALL, pytest.mark.slow), (LARGE, pytest.mark.trees)]
    return pytest.mark.parametrize(
        "tree",
        [
            pytest.param(tree, marks=mark, id=tree.name)
            for group, mark in marked
            for tree in group
            if trees(tree)
        ],
    )


@dataclass
class Project:
    """A suite of a user whose own databases hold something: in a Postgres, and in sqlite files."""

    pytester: pytest.Pytester
    database: PostgresDatabase
    tree: Tree

    def write(self, schema: str = "", pyproject: str | None = None) -> None:
        self.pytester.makeconftest(self.tree.conftest(schema))
        self.pytester.makepyfile(test_it=self.tree.test)
        text = self.tree.pyproject if pyproject is None else pyproject
        self.pytester.makepyprojecttoml(text)

    def run(self) -> pytest.RunResult:
        # A warning would be the tree's: a process of its own keeps it to itself.
        run = ("-m", "pytest", "--wflo-reuse", "--wflo-require", "-p", "no:cacheprovider")
        return self.pytester.run(str(self.tree.python), *run)

    def own(self) -> str:
        """Return all that the developer's own databases hold."""
        files = [self.pytester.path / name for name in self.tree.files]
        held = "".join(path.read_bytes().hex() for path in files)
        return self.client("pg_dump", "--restrict-key=same") + held

    def client(self, *command: str) -> str:
        """Run a client of Postgres' on the developer's own database; return what it prints."""
        database = self.database
        who = ("-U", database.administrator, database.name)
        return docker("exec", database.container, *command, *who)

    def seen(self) -> list[object]:
        """Return name and oid of the template that the last run's test was given a clone of."""
        found: list[object] = json.loads((self.pytester.path / "seen.json").read_text())
        return found


@pytest.fixture
def project(
    pytester: pytest.Pytester,
    fresh_environment: pytest.MonkeyPatch,
    postgres_database: PostgresDatabase,
    tree: Tree,
) -> Project:
    """The tree's project: its variables and defaults name databases of the developer's."""
    home = pytester.path
    for name in tree.files:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (n int)")
        connection.close()
    own = Project(pytester, postgres_database, tree)
    own.client("psql", "-c", "CREATE TABLE mine (n int)")
    for name, driver in tree.variables.items():
        fresh_environment.setenv(name, postgres_database.sqlalchemy_url(driver))
    fresh_environment.setenv("AIRFLOW_HOME", str(home / "airflow"))
    fresh_environment.setenv("SEEN", str(home / "seen.json"))
    return own


@each()
def test_a_tree_is_applied_once_and_the_developers_own_databases_stay_as_they_are(
    project: Project,
) -> None:
    own = project.own()
    project.write()

    project.run().assert_outcomes(passed=1)
    first = project.seen()
    project.run().assert_outcomes(passed=1)

    assert project.seen() == first, "a template of the same name and oid was made once"
    assert project.own() == own
    assert "mine" in own


@each(lambda tree: tree.refused)
def test_a_tree_that_the_command_alone_cannot_apply_is_told_what_to_write(
    project: Project,
) -> None:
    own = project.own()
    for schema, words in project.tree.refused.items():
        project.write(schema)
        result = project.run()
        result.assert_outcomes(errors=1)
        for word in words:
            assert word in result.stdout.str()

    project.write()
    project.run().assert_outcomes(passed=1)

    assert project.own() == own


@each(lambda tree: tree.env)
def test_a_tree_that_takes_its_address_elsewhere_is_told_to_set_env(project: Project) -> None:
    own = project.own()
    project.write(pyproject="[tool.wflo-testkit]\n")
    result = project.run()
    result.assert_outcomes(errors=1)
    said = result.stdout.str()
    told = re.search(r'env = \{ \w+ = "[^"]+" \}', said)

    assert f":{project.database.port}/{project.database.name}" in said
    assert told
    assert project.own() == own

    project.write(pyproject=f"[tool.wflo-testkit]\n{told.group()}\n")
    project.run().assert_outcomes(passed=1)

    assert project.own() == own
