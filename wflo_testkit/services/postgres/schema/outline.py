"""Tells quickly, before each test, whether a MetaData is still what it was.

Three ways were measured, for 30 and 300 tables of 8 columns: a tuple of nine attributes for each
column in Python 98 and 963 us, the dictionaries of all columns compared as they are 71 and 830 us
(but SQLAlchemy keeps there what it has worked out, and each such entry would look like a change),
chosen entries of those dictionaries, picked by `itemgetter`, 65 and 449 us. The last it is, one
entry at a time; with types, constraints and listeners a look takes 60-100 us, and about 1 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import MetaData

_COLUMN = ("type", "nullable", "server_default", "comment", "name")
_TABLE = ("name", "schema", "fullname", "comment")
_NOT_OURS = {
    *("dispatch", "info", "metadata", "table", "parent", "column", "c", "columns"),
    *("for_update", "reflected", "link_to_name", "collation_schema", "validate_strings"),
    *("asdecimal", "decimal_return_scale", "none_as_null"),
}
"""Entries that lead back up, are looked at by themselves, or are no part of a database's schema."""
_LISTENERS = attrgetter("before_create", "after_create")


class Outline:
    """What a MetaData consisted of, down to the parameters of its types.

    Compared are objects by their identity: replaced counts as changed.
    """

    def __init__(self, metadata: MetaData) -> None:
        self._picked: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self._live: list[Any] = []
        self._targets: list[Any] = []
        self._seen: set[int] = set()
        self._add(metadata)
        self._saved = [_copy(each) for each in self._live]
        self._looks: list[tuple[Callable[[Any], Any], list[Any], list[Any]]] = []
        for keys, every in self._picked.items():
            for key in keys:  # one by one no tuples are made
                self._look(itemgetter(key), every)
        self._look(_LISTENERS, self._targets)

    def is_same(self) -> bool:
        """Say whether nothing has changed."""
        try:
            return self._live == self._saved and all(
                list(map(look, every)) == saved for look, every, saved in self._looks
            )
        except Exception:  # noqa: BLE001 - SQL expressions refuse to be compared: it is another one
            return False

    def _look(self, look: Callable[[Any], Any], every: list[Any]) -> None:
        self._looks.append((look, every, list(map(look, every))))

    def _add(self, metadata: MetaData) -> None:
        self._watch(metadata)
        self._listen(metadata)
        self._live.append(sequences := vars(metadata).get("_sequences", {}))
        for sequence in sequences.values():
            self._note(sequence)
        for table in metadata.tables.values():
            self._add_table(table)

    def _add_table(self, table: Any) -> None:
        self._watch(table)
        self._watch(table.columns)
        self._listen(table)
        self._note(table, _TABLE)
        for column in table.columns:
            self._add_column(column)
        for part in (*table.constraints, *table.indexes):
            self._note(part)
            self._watch(part)
            self._note(getattr(part, "sqltext", None), ("text",))
        for index in table.indexes:
            self._listen(index)

    def _add_column(self, column: Any) -> None:
        self._note(column, _COLUMN)
        self._add_type(column.type)
        for part in (column.server_default, column.identity, column.computed):
            self._note(part)
            self._note(getattr(part, "arg", getattr(part, "sqltext", None)), ("text",))

    def _add_type(self, kind: Any) -> None:
        """Add a type with its parameters, and those that it is made of (ARRAY, TypeDecorator)."""
        if id(kind) in self._seen:
            return
        self._seen.add(id(kind))
        self._note(kind)
        self._watch(kind)
        for name, value in _entries(kind).items():
            if name not in _NOT_OURS and hasattr(value, "bind_processor"):
                self._add_type(value)

    def _note(self, part: Any, names: Iterable[str] = ()) -> None:
        """Look at these entries of an object from now on, or at all public ones."""
        entries = _entries(part)
        wanted = names or (n for n in entries if n[0] != "_" and n not in _NOT_OURS)
        if keys := tuple(name for name in wanted if name in entries):
            self._picked.setdefault(keys, []).append(entries)

    def _watch(self, part: Any) -> None:
        """Look at what an object's own lists, sets and dictionaries hold from now on."""
        for each in _containers(part):
            if id(each) not in self._seen:
                self._seen.add(id(each))
                self._live.append(each)

    def _listen(self, target: Any) -> None:
        self._targets.append(target.dispatch)
        for listeners in _LISTENERS(target.dispatch):
            self._watch(listeners)


def _entries(part: Any) -> dict[str, Any]:
    found = getattr(part, "__dict__", None)
    return found if isinstance(found, dict) else {}


def _containers(part: Any) -> Iterator[Any]:
    """Yield an object's own collections: the public ones, and where it has slots the lists."""
    for name, value in _entries(part).items():
        if isinstance(value, dict | list | set) and name[0] != "_" and name not in _NOT_OURS:
            yield value
    for kind in type(part).__mro__:
        for name in _slots(kind):
            if isinstance(value := _filled(part, name), list | deque):
                yield value


def _slots(kind: type) -> tuple[str, ...]:
    given = vars(kind).get("__slots__", ())
    return (given,) if isinstance(given, str) else tuple(given)


def _filled(part: Any, slot: str) -> Any:
    """Return what is in a slot; asked otherwise, SQLAlchemy would work out what is missing."""
    try:
        return object.__getattribute__(part, slot)
    except AttributeError:
        return None


def _copy(value: Any) -> Any:
    for kind in (dict, list, set, deque):
        if isinstance(value, kind):
            return kind(value)
    return value
