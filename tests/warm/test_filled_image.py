"""The schema of the last run is inside the warm image, if it is still the one that is wanted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import docker
import pytest

from tests.conftest import Run
from tests.images_at_hand import image_of
from tests.services import changing_schemas
from tests.services.alembic_projects import Files
from tests.services.bystander import at_hand
from wflo_testkit import services
from wflo_testkit.broker.warming import order_of
from wflo_testkit.model import Content
from wflo_testkit.runtime import images
from wflo_testkit.runtime.warm import making, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.wait import wait_until

__all__ = ["at_hand"]

pytestmark = pytest.mark.slow

POSTGRES = services.table()["postgres"]

SUITE = """
import json
import psycopg

COLUMNS = '''SELECT table_name, column_name, column_default, is_nullable
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2'''
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
OWNERS = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE oid >= 16384"

def test_it(postgres_server, postgres_database):
    with psycopg.connect(postgres_database.url) as connection:
        looks = {
            name: [list(row) for row in connection.execute(sql).fetchall()]
            for name, sql in (("columns", COLUMNS), ("indexes", INDEXES), ("owners", OWNERS))
        }
        looks["rows"] = connection.execute("SELECT count(*) FROM things").fetchone()[0]
        connection.execute("ALTER TABLE things ADD COLUMN mine int")
        connection.execute("DROP TABLE things CASCADE")
    with open("seen.json", "w") as file:
        json.dump(looks, file)

def test_another_gets_what_the_first_one_got(postgres_database):
    with psycopg.connect(postgres_database.url) as connection:
        connection.execute("SELECT count(*) FROM things")
"""

CONFTEST = """
import pytest
from pathlib import Path

@pytest.fixture(scope="session")
def postgres_schema():
    return {schema}
"""

METADATA = """
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text
metadata = MetaData()
things = Table(
    "things", metadata, Column("id", Integer, primary_key=True), Column("name", Text), {more})
"""
TABLE = "CREATE TABLE things (id serial PRIMARY KEY, name text{more});"

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""
MIGRATION = """
from alembic import op
revision, down_revision = {revision!r}, {before!r}

def upgrade():
    op.execute({sql!r})
"""
CALLABLE = """
import psycopg

def fill(url):
    with open("applied", "a") as file:
        file.write("once ")
    with psycopg.connect(url) as connection:
        connection.execute({sql!r})

fill.fingerprint = {sql!r}
"""


def metadata(more: str) -> dict[str, str]:
    return {
        "tables.py": METADATA.format(more=more),
        "conftest.py": "from tables import metadata\n" + CONFTEST.format(schema="metadata"),
    }


def sql(more: str) -> dict[str, str]:
    schema = 'Path(__file__).parent / "schema.sql"'
    return {
        "schema.sql": TABLE.format(more=more) + "INSERT INTO things (name) VALUES ('a'), ('b');",
        "conftest.py": CONFTEST.format(schema=schema),
    }


def alembic(*scripts: str) -> dict[str, str]:
    numbers = [f"{number:03}" for number in range(1, len(scripts) + 1)]
    migrations = {
        f"scripts/versions/{number}.py": MIGRATION.format(revision=number, before=before, sql=text)
        for number, before, text in zip(numbers, [None, *numbers], scripts, strict=False)
    }
    return {
        **migrations,
        "scripts/env.py": ENV,
        "alembic.ini": "[alembic]\nscript_location = %(here)s/scripts\n"
        "sqlalchemy.url = postgresql+psycopg://\n",
        "conftest.py": CONFTEST.format(schema='Path(__file__).parent / "alembic.ini"'),
    }


def function(more: str) -> dict[str, str]:
    return {
        "filling.py": CALLABLE.format(sql=TABLE.format(more=more)),
        "conftest.py": "from filling import fill\n" + CONFTEST.format(schema="fill"),
    }


DEFAULT = ", note text DEFAULT 'changed'"
PLAIN = TABLE.format(more="")
CHANGES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "a column of a MetaData": (metadata(""), metadata('Column("changed", Text)'), "changed"),
    "a default of a MetaData": (
        metadata('Column("note", Text)'),
        metadata('Column("note", Text, server_default="changed")'),
        "changed",
    ),
    "an index of a MetaData": (metadata(""), metadata('Index("changed", "name")'), "changed"),
    "a file of SQL": (sql(""), sql(DEFAULT), "changed"),
    "a migration": (
        alembic(PLAIN),
        alembic(PLAIN, "ALTER TABLE things ADD COLUMN changed int"),
        "changed",
    ),
    "what a callable declares": (function(""), function(DEFAULT), "changed"),
}
"""What changes -> the files before it, those after it, and what is then to be seen."""


class Project:
    """A suite that is run several times on images that nobody else has."""

    def __init__(self, run: Run, folder: Path, notes: Notes, client: docker.DockerClient) -> None:
        self._run = run
        self.folder = folder
        self.notes = notes
        self._client = client

    def run(
        self, files: Files, *options: str, suite: str = SUITE, passed: int = 2
    ) -> tuple[str, Any]:
        """Run the suite; return where its server came from, and what its first test saw."""
        texts = {name: dedent(text) for name, text in files.items()}
        result = self._run(
            suite, "--wflo-require", "--wflo-report=report.json", *options, files=texts
        )
        result.assert_outcomes(passed=passed)
        [row] = json.loads((self.folder / "report.json").read_text())["services"]
        return row["origin"], json.loads((self.folder / "seen.json").read_text())

    def await_images(self, count: int) -> None:
        """Return when so many have been made since the beginning."""

        def are_named() -> bool:
            assert self.notes.failures() == []
            return sum(each.is_named for each in self._mine()) == count

        wait_until(are_named, timeout=300, poll=0.2, describe=f"{count} warm images", catch=())

    def end(self) -> None:
        for image in self._mine():
            warm_images.remove(self._client, self.notes, image)

    def _mine(self) -> list[warm_images.WarmImage]:
        return [
            each for each in warm_images.every(self._client, self.notes) if self.notes.used(each.id)
        ]


@pytest.fixture
def project(
    run_suite: Run, pytester: pytest.Pytester, own_images: Notes, client: docker.DockerClient
) -> Iterator[Project]:
    project = Project(run_suite, pytester.path, own_images, client)
    yield project
    project.end()


@pytest.mark.parametrize(("before", "after", "sign"), CHANGES.values(), ids=CHANGES)
def test_a_schema_is_inside_for_the_next_run_until_it_changes(
    project: Project,
    fresh_environment: pytest.MonkeyPatch,
    before: dict[str, str],
    after: dict[str, str],
    sign: str,
) -> None:
    _, first = project.run(before)
    project.await_images(2)
    origin, second = project.run(before)
    fresh_environment.setenv("CI", "true")  # images are used, and none is made after this test
    guessed_wrong, third = project.run(after)

    assert origin.endswith("warm and filled")
    assert guessed_wrong.endswith("warm and filled")
    assert sign not in json.dumps(first | {"owners": []})
    for looks in (first, second, third):  # the role carries the run's id
        [[owner]] = looks.pop("owners")  # type: ignore[misc]
        assert owner.startswith("wflo_")
        assert owner != "wflo_ready"
    assert second == first
    assert sign in json.dumps(third)


@pytest.mark.parametrize(
    ("before", "after"), changing_schemas.CHANGES.values(), ids=changing_schemas.CHANGES
)
def test_what_a_schema_depends_on_is_as_it_was_or_the_schema_is_applied_again(
    project: Project, fresh_environment: pytest.MonkeyPatch, before: Files, after: Files
) -> None:
    suite: dict[str, Any] = {"suite": changing_schemas.SUITE, "passed": 1}
    project.run(before, **suite)
    project.await_images(2)
    origin, seen = project.run(before, **suite)
    applied = (project.folder / "applied").read_text()
    fresh_environment.setenv("CI", "true")  # images are used, and none is made after this test
    guessed_wrong, changed = project.run(after, **suite)

    assert origin.endswith("warm and filled")
    assert applied == "once "
    assert "changed" not in seen
    assert guessed_wrong.endswith("warm and filled")
    assert "changed" in changed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["postgres-13", "postgres-18"])
def test_so_it_is_with_other_versions_of_the_server(project: Project, version: str) -> None:
    image = f"--wflo-postgres-image={image_of(version)}"
    _, first = project.run(sql(""), image)
    project.await_images(2)
    origin, second = project.run(sql(""), image)

    assert origin.endswith("warm and filled")
    assert {**first, "owners": []} == {**second, "owners": []}


def test_so_it_is_with_extensions_that_only_the_administrator_may_make(
    project: Project, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("WFLO_TESTKIT_POSTGRES_EXTENSIONS", "earthdistance,uuid-ossp")
    files = sql(", at earth DEFAULT ll_to_earth(52, 13)")
    files["schema.sql"] = (
        "CREATE EXTENSION IF NOT EXISTS earthdistance; CREATE EXTENSION pg_trgm;"
        "COMMENT ON EXTENSION pg_trgm IS 'of the schema''s own';" + files["schema.sql"]
    )
    _, first = project.run(files)
    project.await_images(2)
    origin, second = project.run(files)

    assert origin.endswith("warm and filled")
    assert {**first, "owners": []} == {**second, "owners": []}


def test_a_callable_that_declares_what_it_is_is_not_called_again(project: Project) -> None:
    project.run(function(""))
    project.await_images(2)
    project.run(function(""))

    assert (project.folder / "applied").read_text() == "once "


def test_a_callable_that_declares_nothing_is_called_in_each_run(project: Project) -> None:
    files = function("")
    files["filling.py"] = files["filling.py"].partition("fill.fingerprint")[0]
    project.run(files)
    project.await_images(1)
    origin, _ = project.run(files)

    assert origin.endswith(", warm")
    assert (project.folder / "applied").read_text() == "once once "


def test_a_schema_that_tells_of_its_run_is_made_in_each_run(project: Project) -> None:
    files = sql("")
    files["schema.sql"] += "INSERT INTO things (name) VALUES (current_user);"
    project.run(files)
    [failure] = project.notes.failures()
    (project.notes.home.folder / f"{failure.key}.failed.json").unlink()
    project.await_images(1)
    origin, _ = project.run(files)

    assert "it names the run that made it" in failure.reason
    assert origin.endswith(", warm")


def test_a_schema_that_comes_out_otherwise_than_it_went_in_is_not_used(
    client: docker.DockerClient, kit: str, notes: Notes
) -> None:
    spec = POSTGRES.spec("postgres", {})
    base = images.resolve(client, spec.image)
    content = Content(fingerprint=secrets.token_hex(32), command=(), secret="")
    order = order_of(spec, POSTGRES, base, kit, content, "CREATE TABLE public.things (id int);")

    with pytest.raises(making.MakingFailed, match="differ"):
        work.get(client, order, notes)

    assert warm_images.find(client, order.key) == ""


def test_two_projects_have_a_guess_each(notes: Notes) -> None:
    notes.guess_next("/here", "postgres", "a")
    notes.guess_next("/there", "postgres", "b")
    notes.guess_next("/here", "other", "c")

    assert notes.guess("/here", "postgres") == "a"
    assert notes.guess("/there", "postgres") == "b"
    assert notes.guess("/elsewhere", "postgres") == ""
