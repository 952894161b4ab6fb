"""Small Alembic projects, one per layout that `alembic upgrade heads` accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

Files = Mapping[str, str]

PLACEHOLDER = "driver://user:pass@localhost/dbname"
"""What `alembic init` writes."""

SYNC = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
engine = engine_from_config(
    config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool
)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ASYNC = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

config = context.config

def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    section = config.get_section(config.config_ini_section, {})
    engine = async_engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""
HANDED = """
from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
"""
COOKBOOK = SYNC.replace(
    "engine = engine_from_config(",
    'engine = config.attributes.get("connection", None) or engine_from_config(',
)
COOKBOOK_ASYNC = ASYNC.replace(
    "asyncio.run(main())",
    """
connection = config.attributes.get("connection", None)
if connection is None:
    asyncio.run(main())
else:
    migrate(connection)
""",
)
FIRST = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None

def upgrade():
    op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"

def upgrade():
    op.add_column("a", sa.Column("note", sa.Text))
"""
OTHER_BRANCH = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "b001", None, ("other",), "0002"

def upgrade():
    op.create_table("b", sa.Column("id", sa.Integer, primary_key=True))
"""
CONCURRENTLY = """
from alembic import op
revision, down_revision = "0003", "0002"

def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("i", "a", ["note"], postgresql_concurrently=True)
"""
TWO = {"versions/0001.py": FIRST, "versions/0002.py": SECOND}


def ini(
    location: str = "%(here)s/mig", url: str = PLACEHOLDER, more: str = "", section: str = "alembic"
) -> str:
    """Return the text of an alembic.ini; more: further lines of its section, and sections."""
    address = f"sqlalchemy.url = {url}\n" if url else ""
    return f"[{section}]\nscript_location = {location}\n{address}{more}"


def scripts(folder: str = "mig", env: str = SYNC, versions: Files = TWO) -> dict[str, str]:
    """Return the files of a script folder."""
    return {
        f"{folder}/env.py": env,
        **{f"{folder}/{name}": text for name, text in versions.items()},
    }


def write(root: Path, files: Files) -> Path:
    """Write the files below `root`, and return that."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


def beside(name: str = "alembic.ini") -> Callable[[Path], Path]:
    return lambda root: root / name


def config(**given: Any) -> Callable[[Path], Any]:
    """Return what makes a Config of the project's alembic.ini."""

    def make(root: Path) -> Any:
        from alembic.config import Config

        return Config(str(root / "alembic.ini"), **given)

    return make


def in_memory(root: Path) -> Any:
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(root / "mig"))
    return made


def asking(line: str) -> str:
    """Return an env.py that begins with `line`."""
    return SYNC.replace("config = context.config\n", f"config = context.config\n{line}\n")


def located(*lines: str, folders: tuple[str, str] = ("v1", "v2")) -> dict[str, str]:
    """Return a project whose two migrations lie in folders of their own."""
    more = "".join(f"{line}\n" for line in lines)
    first, second = folders
    return {
        "alembic.ini": ini(more=more),
        **scripts(versions={}),
        f"{first}/0001.py": FIRST,
        f"{second}/0002.py": SECOND,
    }


@dataclass(frozen=True)
class Layout:
    """files: of the project; schema: what its fixture postgres_schema returns; tables: then."""

    files: Files
    schema: Callable[[Path], Any] = field(default_factory=beside)
    tables: tuple[str, ...] = ("a", "alembic_version")


PLAIN = {"alembic.ini": ini(), **scripts()}
LAYOUTS: dict[str, Layout] = {
    "beside the ini": Layout(PLAIN),
    "relative to the ini": Layout(
        {"backend/alembic.ini": ini("mig"), **scripts("backend/mig")}, beside("backend/alembic.ini")
    ),
    "relative to where pytest runs": Layout(
        {"conf/alembic.ini": ini("db/mig"), **scripts("db/mig")}, beside("conf/alembic.ini")
    ),
    "a relative path as text": Layout(
        {"alembic.ini": ini("mig"), **scripts()}, lambda _root: "alembic.ini"
    ),
    "in a package": Layout(
        {
            "alembic.ini": ini("shop:mig", more="prepend_sys_path = .\n"),
            "shop/__init__.py": "",
            **scripts("shop/mig"),
        }
    ),
    "by interpolation": Layout(
        {"alembic.ini": ini("%(base)s/mig", more="base = %(here)s\n"), **scripts()}
    ),
    "alembic.cfg": Layout({"alembic.cfg": ini("mig"), **scripts()}, beside("alembic.cfg")),
    "migrate.conf": Layout({"migrate.conf": ini("mig"), **scripts()}, beside("migrate.conf")),
    "the folder itself": Layout(scripts(), beside("mig")),
    "the folder with the ini inside": Layout(
        {"mig/alembic.ini": "[alembic]\nfile_template = %%(rev)s\n", **scripts()}, beside("mig")
    ),
    "pyproject.toml alone": Layout(
        {"pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/mig"\n', **scripts()},
        beside("pyproject.toml"),
    ),
    "pyproject.toml, relative": Layout(
        {"pyproject.toml": '[tool.alembic]\nscript_location = "mig"\n', **scripts()},
        beside("pyproject.toml"),
    ),
    "pyproject.toml and an ini": Layout(
        {
            "pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/mig"\n',
            "alembic.ini": f"[alembic]\nsqlalchemy.url = {PLACEHOLDER}\n",
            **scripts(),
        }
    ),
    "another section": Layout(
        {"alembic.ini": ini(section="devdb"), **scripts()}, config(ini_section="devdb")
    ),
    "a Config": Layout(PLAIN, config()),
    "a Config with arguments": Layout(
        {"alembic.ini": ini("%(where)s/mig"), **scripts()},
        lambda root: config(config_args={"where": str(root)})(root),
    ),
    "a Config with plain attributes": Layout(
        {
            "alembic.ini": ini(),
            **scripts(env=asking('assert config.attributes["tenant"] == "x"')),
        },
        config(attributes={"tenant": "x"}),
    ),
    "a Config with live objects": Layout(
        {"alembic.ini": ini(), **scripts(env=asking('config.attributes["call"]()'))},
        config(attributes={"call": print}),
    ),
    "a Config in memory": Layout(scripts(), in_memory),
    "an asynchronous env.py": Layout({"alembic.ini": ini(), **scripts(env=ASYNC)}),
    "a placeholder for aiosqlite": Layout(
        {"alembic.ini": ini(url="sqlite+aiosqlite:///./dev.db"), **scripts(env=ASYNC)}
    ),
    "a placeholder for sqlite": Layout(
        {"alembic.ini": ini(url="sqlite+pysqlite:///./dev.db"), **scripts()}
    ),
    "a placeholder for MySQL": Layout(
        {"alembic.ini": ini(url="mysql+pymysql://u:p@h/d"), **scripts()}
    ),
    "no URL": Layout({"alembic.ini": ini(url=""), **scripts()}),
    "a URL that wants a variable": Layout({"alembic.ini": ini(url="%(DB_URL)s"), **scripts()}),
    "psycopg2": Layout({"alembic.ini": ini(url="postgresql+psycopg2://u:p@h/d"), **scripts()}),
    "pg8000": Layout({"alembic.ini": ini(url="postgresql+pg8000://u:p@h/d"), **scripts()}),
    "asyncpg": Layout(
        {"alembic.ini": ini(url="postgresql+asyncpg://u:p@h/d"), **scripts(env=ASYNC)}
    ),
    "asyncpg in a synchronous env.py": Layout(
        {"alembic.ini": ini(url="postgresql+asyncpg://u:p@h/d"), **scripts()}
    ),
    "psycopg2 in an asynchronous env.py": Layout(
        {"alembic.ini": ini(url="postgresql+psycopg2://u:p@h/d"), **scripts(env=ASYNC)}
    ),
    "asyncpg taken out of the URL": Layout(
        {
            "alembic.ini": ini(url="postgresql+asyncpg://u:p@h/d"),
            **scripts(
                env=asking(
                    'url = config.get_main_option("sqlalchemy.url")\n'
                    'config.set_main_option("sqlalchemy.url", url.replace("+asyncpg", "+psycopg"))'
                )
            ),
        }
    ),
    "a connection handed over": Layout({"alembic.ini": ini(url=""), **scripts(env=HANDED)}),
    "the cookbook's connection": Layout({"alembic.ini": ini(), **scripts(env=COOKBOOK)}),
    "the cookbook's connection, asynchronous": Layout(
        {"alembic.ini": ini(), **scripts(env=COOKBOOK_ASYNC)}
    ),
    "version_locations with spaces": Layout(
        located("version_locations = %(here)s/v1 %(here)s/v2", "path_separator = space")
    ),
    "version_locations of the system": Layout(
        located("version_locations = %(here)s/v1:%(here)s/v2", "path_separator = os")
    ),
    "version_locations in lines": Layout(
        located("version_locations =", "  %(here)s/v1", "  %(here)s/v2", "path_separator = newline")
    ),
    "version_locations of old": Layout(located("version_locations = %(here)s/v1, %(here)s/v2")),
    "version_locations, relative": Layout(
        located("version_locations = v1 v2", "path_separator = space")
    ),
    "version_locations in pyproject.toml": Layout(
        {
            "pyproject.toml": '[tool.alembic]\nscript_location = "mig"\n'
            'version_locations = ["%(here)s/v1", "v2"]\n',
            **scripts(versions={}),
            "v1/0001.py": FIRST,
            "v2/0002.py": SECOND,
        },
        beside("pyproject.toml"),
    ),
    "folders in folders": Layout(
        {
            "alembic.ini": ini(more="recursive_version_locations = true\n"),
            **scripts(versions={"versions/2023/0001.py": FIRST, "versions/2024/0002.py": SECOND}),
        }
    ),
    "several heads": Layout(
        {"alembic.ini": ini(), **scripts(versions={**TWO, "versions/b001.py": OTHER_BRANCH})},
        tables=("a", "alembic_version", "b"),
    ),
    "no migration yet": Layout(
        {"alembic.ini": ini(), **scripts(versions={"versions/README": ""})},
        tables=("alembic_version",),
    ),
    "another version table": Layout(
        {
            "alembic.ini": ini(),
            **scripts(
                env=SYNC.replace(
                    "connection=connection", 'connection=connection, version_table="revisions"'
                )
            ),
        },
        tables=("a", "revisions"),
    ),
    "a version table in a schema": Layout(
        {
            "alembic.ini": ini(),
            **scripts(
                env=SYNC.replace(
                    "    context.configure(connection=connection)",
                    '    connection.exec_driver_sql("CREATE SCHEMA own")\n'
                    "    connection.commit()\n"
                    '    context.configure(connection=connection, version_table_schema="own")',
                )
            ),
        },
        tables=("a",),
    ),
    "two trees": Layout(
        {
            **PLAIN,
            "two.ini": ini("%(here)s/mig2"),
            **scripts(
                "mig2",
                SYNC.replace(
                    "connection=connection",
                    'connection=connection, version_table="alembic_version_b"',
                ),
                {"versions/0001.py": FIRST.replace('"a"', '"b"')},
            ),
        },
        lambda root: [root / "alembic.ini", root / "two.ini"],
        ("a", "alembic_version", "alembic_version_b", "b"),
    ),
    "an index made concurrently": Layout(
        {"alembic.ini": ini(), **scripts(versions={**TWO, "versions/0003.py": CONCURRENTLY})}
    ),
    "-x asked for": Layout(
        {
            "alembic.ini": ini(),
            **scripts(env=asking("assert context.get_x_argument(as_dictionary=True) == {}")),
        }
    ),
    "the command's options asked for": Layout(
        {
            "alembic.ini": ini(),
            **scripts(env=asking('assert config.cmd_opts.revision == "heads"')),
        }
    ),
    "an offline way": Layout(
        {
            "alembic.ini": ini(),
            **scripts(env=asking("if context.is_offline_mode():\n    raise SystemExit(1)")),
        }
    ),
}
"""What people have -> the project, and the tables that its migrations make."""
