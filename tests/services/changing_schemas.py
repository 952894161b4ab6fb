"""Projects whose schema depends on more than the files that hold it, before and after a change."""

from __future__ import annotations

from tests.services.alembic_projects import Files, ini, scripts

SUITE = """
import json
import psycopg

COLUMNS = '''SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = 'things' ORDER BY 1'''

def test_it(postgres_database):
    with psycopg.connect(postgres_database.url) as connection:
        names = [name for (name,) in connection.execute(COLUMNS)]
    with open("seen.json", "w") as file:
        json.dump(names, file)
"""
"""Notes what the schema has come to, in `seen.json`."""

FIXTURE = """
import os
from pathlib import Path
import pytest
os.environ["MORE"] = {variable!r}

@pytest.fixture(scope="session")
def postgres_schema():
    return {value}
"""
ALEMBIC = 'Path(__file__).parent / "alembic.ini"'
MIGRATION = """
import os
from pathlib import Path
from alembic import op
revision, down_revision = "0001", None
HERE = Path(__file__).parents[2]

def upgrade():
    with open(HERE / "applied", "a") as file:
        file.write("once ")
    {make}
"""
CALLABLE = """
from pathlib import Path
import psycopg
import words

def fill(url):
    with open(Path(__file__).parent / "applied", "a") as file:
        file.write("once ")
    with psycopg.connect(url) as connection:
        connection.execute(words.SQL)

fill.fingerprint = "1"
"""


def table(*columns: str) -> str:
    return f"CREATE TABLE things (id int{''.join(f', {name} text' for name in columns)})"


def migrated(make: str, files: Files, *, variable: str = "") -> dict[str, str]:
    """Return a project with these files, whose one migration does `make`."""
    return {
        "alembic.ini": ini(more="prepend_sys_path = .\npath_separator = os\n"),
        **scripts(versions={"versions/0001.py": MIGRATION.format(make=make)}),
        "conftest.py": FIXTURE.format(variable=variable, value=ALEMBIC),
        **files,
    }


def imported(column: str) -> dict[str, str]:
    files = {"words.py": f"SQL = {table(column)!r}"}
    return migrated("import words; op.execute(words.SQL)", files)


def imported_deep(column: str) -> dict[str, str]:
    files = {
        "shop/__init__.py": "\n",
        "shop/tables.py": "from .columns import *\n"
        "SQL = f'CREATE TABLE things (id int, {NAME} text)'",
        "shop/columns.py": f"NAME = {column!r}",
    }
    return migrated("from shop import tables; op.execute(tables.SQL)", files)


def opened(column: str) -> dict[str, str]:
    make = 'op.execute((HERE / "things.sql").read_text())'
    return migrated(make, {"things.sql": table(column)})


def listed(*columns: str) -> dict[str, str]:
    make = 'op.execute(" ".join(p.read_text() for p in sorted((HERE / "sql").glob("*.sql"))))'
    more = {f"sql/1-{c}.sql": f"ALTER TABLE things ADD COLUMN {c} text;" for c in columns}
    return migrated(make, {"sql/0.sql": f"{table()};", **more})


def set_by_variable(column: str) -> dict[str, str]:
    make = "op.execute(f\"CREATE TABLE things (id int, {os.environ['MORE']} text)\")"
    return migrated(make, {}, variable=column)


def called(column: str) -> dict[str, str]:
    return {
        "filling.py": CALLABLE,
        "words.py": f"SQL = {table(column)!r}",
        "conftest.py": "from filling import fill\n" + FIXTURE.format(variable="", value="fill"),
    }


CHANGES: dict[str, tuple[Files, Files]] = {
    "a module that a migration imports": (imported("old"), imported("changed")),
    "a module two imports away": (imported_deep("old"), imported_deep("changed")),
    "a file that a migration opens": (opened("old"), opened("changed")),
    "a folder that a migration lists": (listed("old"), listed("changed", "old")),
    "a variable that a migration reads": (set_by_variable("old"), set_by_variable("changed")),
    "a module that a callable imports": (called("old"), called("changed")),
}
"""What changes -> the files before, and after: then the table has a column `changed`."""
