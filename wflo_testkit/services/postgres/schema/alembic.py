"""A schema from Alembic's migrations."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.schema import failed

_ASYNC_SIGNS = ("async_engine_from_config", "create_async_engine", "asyncpg")


class AlembicSchema:
    """Upgrades to all heads with the project's own env.py.

    env.py has to take the address from the configuration, as Alembic's templates do:
    `sqlalchemy.url`, or `config.attributes["url"]`.
    """

    def __init__(self, ini: Path) -> None:
        self._ini = ini.absolute()

    @property
    def fingerprint(self) -> str:
        """Hash of the ini file, env.py, all scripts and what else lies beside them."""
        digest = hashlib.sha256(b"alembic ")
        for path in (self._ini, *self._scripts()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    @property
    def lasts(self) -> bool:
        """Not where a script makes what a MetaData says at the time: its text says too little."""
        scripts = (path for path in self._scripts() if path.suffix == ".py")
        return not any(b"create_all" in path.read_bytes() for path in scripts)

    def apply(self, url: str) -> None:
        """Run `alembic upgrade heads`. Raises SchemaFailed when that left no trace at `url`."""
        from alembic import command

        try:
            with self._surroundings():
                command.upgrade(self._config(url), "heads")
        except (Exception, SystemExit) as error:
            raise failed(
                f"the migrations of {self._ini} failed", error, looked_at=str(self._ini)
            ) from error
        if not _arrived(url):
            raise failed(
                f"the migrations of {self._ini} did not reach the test's database",
                "env.py ran without an error, but the table alembic_version is not there",
                looked_at=str(self._folder() / "env.py"),
                fix='let env.py use config.get_main_option("sqlalchemy.url") before any other '
                "address",
            )

    def remove(self, url: str) -> None:
        """Do nothing: the database is dropped. Downgrades are for a test of their own."""

    def _config(self, url: str = "") -> Any:
        from alembic.config import Config

        config = Config(str(self._ini), stdout=io.StringIO())
        if url:
            address = parse(url)
            suited = address.sqlalchemy_url(self._driver(config))
            # The ini format reads % as the start of an interpolation.
            config.set_main_option("sqlalchemy.url", suited.replace("%", "%%"))
            config.attributes["url"] = suited
            config.attributes["sqlalchemy.url"] = suited
        return config

    def _driver(self, config: Any) -> str:
        """Return the driver that env.py is written for: the ini's, else what its text shows."""
        given = (config.file_config.get("alembic", "sqlalchemy.url", raw=True, fallback="")) or ""
        scheme = given.partition(":")[0]
        if "+" in scheme:
            return str(scheme.partition("+")[2])
        env = self._folder() / "env.py"
        text = env.read_text() if env.is_file() else ""
        return "asyncpg" if any(sign in text for sign in _ASYNC_SIGNS) else "psycopg"

    def _folder(self) -> Path:
        """Return the script folder: a relative one lies beside the ini, else where pytest runs."""
        given = self._location()
        beside = self._ini.parent / given
        return beside if (beside / "env.py").is_file() else Path(given).absolute()

    def _location(self) -> str:
        given = self._config().file_config.get("alembic", "script_location", fallback="")
        if not given:
            raise failed(
                f"{self._ini} names no script_location", "not an Alembic file, or an empty one"
            )
        return str(given)

    def _scripts(self) -> list[Path]:
        folder = self._folder()
        if not folder.is_dir():
            raise failed(f"the script_location of {self._ini} does not exist", folder)
        more = self._config().file_config.get("alembic", "version_locations", fallback="")
        folders = [folder, *(Path(each) for each in more.replace(",", " ").split())]
        found = {path for each in folders for path in each.rglob("*") if path.is_file()}
        return sorted(path for path in found if "__pycache__" not in path.parts)

    @contextlib.contextmanager
    def _surroundings(self) -> Iterator[None]:
        """Run as if from the ini's folder where its paths ask for that, and keep logging as it is:
        fileConfig in env.py disables every logger that exists."""
        beside = (self._ini.parent / self._location() / "env.py").is_file()
        with _logging_kept(), contextlib.chdir(self._ini.parent if beside else Path.cwd()):
            yield


def _arrived(url: str) -> bool:
    import psycopg

    # The table may stand in a Postgres schema of the project's choice (version_table_schema).
    query = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'alembic_version%'"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return bool(row and row[0])


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    known = [each for each in logging.root.manager.loggerDict.values() if _is_logger(each)]
    states = [(each, each.disabled, each.level, each.propagate) for each in known]  # type: ignore[union-attr]
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        for logger, disabled, level, propagate in states:
            logger.disabled, logger.propagate = disabled, propagate  # type: ignore[union-attr]
            logger.setLevel(level)  # type: ignore[union-attr]


def _is_logger(each: object) -> bool:
    return isinstance(each, logging.Logger)
