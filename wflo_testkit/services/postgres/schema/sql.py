"""A schema from an .sql file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.statements import Statement, Unreadable, statements

if TYPE_CHECKING:
    from psycopg import Connection


class SqlSchema:
    """Runs a file as psql would: statement by statement, each committed unless the file says
    BEGIN. Reads what pg_dump writes, COPY data included."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        try:
            self._text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            what = f"the schema file {path.name} cannot be read as UTF-8"
            raise failed(what, error, looked_at=str(self._path)) from None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"sql {self._text}".encode()).hexdigest()

    @property
    def lasts(self) -> bool:
        return True

    def apply(self, url: str) -> None:
        """Run the file's statements one by one. Raises SchemaFailed, naming the line."""
        import psycopg

        try:
            found = list(statements(self._text))
        except Unreadable as error:
            raise self._failed(error.line, error) from None
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in found:
                try:
                    _run(connection, statement)
                except psycopg.Error as error:
                    raise self._failed(_line(statement, error), error) from error

    def remove(self, url: str) -> None:
        """Do nothing: how to undo a file is not known. Its database is dropped."""

    def _failed(self, line: int, cause: BaseException) -> Exception:
        return failed(
            f"{self._path.name}, line {line}: the schema file failed",
            cause,
            looked_at=f"{self._path}:{line}",
        )


def _run(connection: Connection[Any], statement: Statement) -> None:
    sql = statement.text.encode()
    if statement.data is None:
        connection.execute(sql)
        return
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(statement.data)


def _line(statement: Statement, error: Any) -> int:
    """Return the line of an error: the server gives its place as a count of characters."""
    place = error.diag.statement_position
    before = statement.text[: int(place) - 1] if place else ""
    return statement.line + before.count("\n")
