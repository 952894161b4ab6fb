"""`alembic upgrade heads` on one database, by the project's own env.py."""

from __future__ import annotations

import contextlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.address import Address, parse
from wflo_testkit.services.postgres.schema.alembic.answer import NotReached
from wflo_testkit.services.postgres.schema.alembic.connection import handed_over
from wflo_testkit.services.postgres.schema.alembic.source import Source, config_of

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

_DRIVERS = ("psycopg", "psycopg2", "asyncpg", "pg8000")
"""SQLAlchemy's drivers for Postgres, named like the modules that they import."""

_ANY = "psycopg"
"""The one that serves a synchronous and an asynchronous env.py (SQLAlchemy manual, psycopg)."""

_MISFITS = ("requires an async driver", "greenlet_spawn", "invalid connection option")
"""What an error says when env.py is written for another driver; then nothing has been done yet."""

# Every version table has this one column (alembic, DefaultImpl.version_table_impl), whatever its
# name and schema.
_TABLES = """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND a.attname = 'version_num' AND NOT a.attisdropped"""


def upgrade(source: Source, url: str) -> None:
    """Upgrade the database at `url` (libpq URI) to all heads.

    Raises NotReached, and whatever Alembic, env.py and the migrations raise, SystemExit included.
    """
    with contextlib.chdir(_home(source)):
        heads = _scripts(source).get_heads()
        before = _versions(url)
        _upgrade(source, parse(url))
        if heads and _versions(url) == before:
            raise NotReached("no version table has changed")


def _upgrade(source: Source, address: Address) -> None:
    """Upgrade with the first driver that suits env.py."""
    *others, last = _drivers(source)
    for driver in others:
        try:
            return _run(source, address, driver)
        except Exception as error:
            if not any(sign in str(error) for sign in _MISFITS):
                raise
    return _run(source, address, last)


def _run(source: Source, address: Address, driver: str) -> None:
    from alembic import command

    config = config_of(source)
    # The ini format reads % as the start of an interpolation.
    text = address.sqlalchemy_url(driver).replace("%", "%%")
    config.set_main_option("sqlalchemy.url", text)
    with handed_over(config, address, driver):
        command.upgrade(config, "heads")


def _drivers(source: Source) -> list[str]:
    """Return what to try, in order: the driver that the project's own URL names, else psycopg2.

    The latter, where it is installed, since it was SQLAlchemy's own choice up to 2.0: older
    migrations may not run with another, such as Airflow's.
    """
    parser = config_of(source).file_config
    url = parser.get(source.section, "sqlalchemy.url", raw=True, fallback="")
    dialect, _, driver = url.partition(":")[0].partition("+")
    if dialect not in ("postgresql", "postgres") or driver not in _DRIVERS:
        driver = "psycopg2"
    return list(dict.fromkeys((driver, _ANY) if find_spec(driver) else (_ANY,)))


def _home(source: Source) -> Path:
    """Return where the project's relative paths hold.

    That is beside its file, where pytest runs, or above its file, as for a file in a package whose
    paths begin outside of it.
    """
    from alembic.util import CommandError

    here, path = Path.cwd(), list(sys.path)
    folder = Path(source.folder or here)
    for place in dict.fromkeys((folder, here, *folder.parents)):
        with contextlib.chdir(place), contextlib.suppress(CommandError, ImportError):
            _scripts(source)
            return place
        sys.path[:] = path  # to which Alembic adds `prepend_sys_path`
    return here


def _scripts(source: Source) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config_of(source))


def _versions(url: str) -> dict[str, list[Any]]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        rows = "SELECT version_num FROM {}"
        return {
            name: sorted(connection.execute(rows.format(name).encode()).fetchall())
            for name in tables
        }
