"""Tells what is in a MetaData by what it would make: its DDL as text."""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.schema.outline import Outline

if TYPE_CHECKING:
    from sqlalchemy import MetaData

_KEPT = "wflo-testkit"
"""Where a MetaData's own `info` holds what is known of it, for as long as it lives itself."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about a MetaData, and how to tell that it still holds."""

    outline: Outline
    fingerprint: str
    lasts: bool


def is_metadata(value: Any) -> bool:
    """Tell without importing SQLAlchemy: whoever has a MetaData has imported it."""
    module = sys.modules.get("sqlalchemy")
    return module is not None and isinstance(value, module.MetaData)


def known(metadata: MetaData, identity: Callable[[Any], str]) -> Known:
    """Return what is known of a MetaData; found out again only when something has changed.

    identity: tells listeners apart.
    """
    found = metadata.info.get(_KEPT)
    if not isinstance(found, Known) or not found.outline.is_same():
        metadata.info[_KEPT] = found = _found_out(metadata, identity)
    return found


def _found_out(metadata: MetaData, identity: Callable[[Any], str]) -> Known:
    try:
        text, lasts = "\n".join(sorted(_ddl(metadata))), True
    except Exception:  # noqa: BLE001 - whatever a listener raises that is given no real connection
        text, lasts = "\n".join(_without_listeners(metadata, identity)), False
    fingerprint = hashlib.sha256(f"metadata {text}".encode()).hexdigest()
    return Known(Outline(metadata), fingerprint, lasts)


def _ddl(metadata: MetaData) -> list[str]:
    """Return what create_all would say, as text, one statement each, with its values."""
    from sqlalchemy import create_mock_engine

    statements: list[str] = []

    def note(sql: Any, *values: Any, **keys: Any) -> None:
        """Note a statement; an address in its values would differ in every process."""
        compiled = sql.compile(dialect=engine.dialect)
        told = _plain(f"{compiled.params} {values} {keys}")
        statements.append(f"{compiled} {told}")

    engine: Any = create_mock_engine("postgresql+psycopg://", note)
    metadata.create_all(engine, checkfirst=False)
    return statements


def _without_listeners(metadata: MetaData, identity: Callable[[Any], str]) -> Iterator[str]:
    """Yield what can be told without running a listener: tables as text, listeners by what they
    are."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # it has no annotations
    targets: list[Any] = [metadata, *(table for _key, table in sorted(metadata.tables.items()))]
    for table in targets[1:]:
        yield _text(CreateTable(table), dialect)
        yield from sorted(_text(CreateIndex(index), dialect) for index in table.indexes)
        yield _plain(repr([(each.type, each.comment, table.comment) for each in table.columns]))
    for target in targets:
        for listener in (*target.dispatch.before_create, *target.dispatch.after_create):
            yield from _told(listener, identity)


def _text(statement: Any, dialect: Any) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return str(statement.compile(dialect=dialect))
    except SQLAlchemyError as error:  # `apply` meets it, too, and tells
        return _plain(str(error))


def _told(listener: Any, identity: Callable[[Any], str]) -> Iterator[str]:
    """Yield what a listener is; those by which SQLAlchemy makes enum types are in the tables."""
    from sqlalchemy.schema import BaseDDLElement
    from sqlalchemy.types import TypeEngine

    if isinstance(listener, BaseDDLElement):
        yield identity({"ddl": type(listener), **vars(listener)})
    elif not isinstance(getattr(_called(listener), "__self__", None), TypeEngine):
        yield identity(listener)


def _called(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _plain(text: str) -> str:
    """Leave out addresses, which differ in every process."""
    return re.sub("0x[0-9a-f]+", "", text)
