"""Tells Python objects apart, so that processes of a run agree where they can.

A callable is known by where it stands, its code, what it closes over and the globals that it uses.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import inspect
import ipaddress
import operator
import os
import re
import sys
import types
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import Any
from weakref import WeakKeyDictionary, ref

from wflo_testkit.services.postgres.schema import tables

_PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray, type(...), range, slice),
    *(dt.date, dt.time, dt.timedelta, dt.timezone, decimal.Decimal),
    *(fractions.Fraction, uuid.UUID, PurePath, re.Pattern, types.GenericAlias, types.UnionType),
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
)
"""Types whose repr says all."""
_MERGED = (tuple, frozenset, types.CodeType)
"""Types of constants, of which the compiler makes one out of equals."""
_seen: dict[int, Any] = {}
"""Objects that are known by their number alone: held, so that it stays theirs."""


def identity(value: Any, *, is_vouched_for: bool = False) -> str:
    """Return a text that is equal for what does the same.

    is_vouched_for: somebody answers for what cannot be told apart: then an object of which only
    the process that it is in knows anything counts by its type alone.
    """
    known = _known.get(value, {}) if isinstance(value, types.FunctionType) else {}
    if is_vouched_for in known and known[is_vouched_for].is_same():
        return known[is_vouched_for].text
    teller = _Teller(is_vouched_for)
    text = "".join(teller.tell(value))
    if isinstance(value, types.FunctionType) and not teller.is_fickle:
        _known.setdefault(value, {})[is_vouched_for] = _Told(text, teller.reached, teller.copies)
    return text


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    """What was told of a function, to be said again before each test while nothing has changed.

    reached: by function, what its code found: globals and what it closes over, in their order.
    copies: what can change in place, and what it was.
    """

    text: str
    reached: list[tuple[Callable[[], list[Any]], list[Any]]]
    copies: list[tuple[Any, Any]]

    def is_same(self) -> bool:
        """Say whether telling it again would come to the same."""
        try:
            return all(
                len(found := reach()) == len(then) and all(map(operator.is_, found, then))
                for reach, then in self.reached
            ) and all(now == then for now, then in self.copies)
        except Exception:  # noqa: BLE001 - of a user's own comparison: then it is told again
            return False


_known: WeakKeyDictionary[types.FunctionType, dict[bool, _Told]] = WeakKeyDictionary()


class _Teller:
    """Tells of one object and what it reaches; an object that comes again is told by its turn."""

    def __init__(self, is_vouched_for: bool) -> None:
        self._is_vouched_for = is_vouched_for
        self._turns: dict[int, int] = {}
        self._held: list[Any] = []
        self.reached: list[tuple[Callable[[], list[Any]], list[Any]]] = []
        self.copies: list[tuple[Any, Any]] = []
        self.is_fickle = False

    def tell(self, value: Any) -> Iterator[str]:
        """Yield the pieces of its text."""
        if isinstance(value, _PLAIN) and not isinstance(value, enum.Enum):
            yield f"{type(value).__qualname__} {value!r};"
            return
        if isinstance(value, _MERGED):
            # Whether two equal ones are one object differs between compiled and loaded code.
            yield from self._tell_new(value)
            return
        turn = self._turns.setdefault(id(value), len(self._turns))
        if turn != len(self._turns) - 1 or len(self._held) > turn:
            yield f"again {turn};"
            return
        self._held.append(value)
        yield from self._tell_new(value)

    def _tell_new(self, value: Any) -> Iterator[str]:
        if isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, functools.partial):
            yield from self._parts("partial", (value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            yield from self._parts("method", (value.__func__, value.__self__))
        elif isinstance(value, types.BuiltinFunctionType):
            yield f"builtin {value.__module__}.{value.__qualname__};"
            if not isinstance(value.__self__, types.ModuleType | None):
                yield from self.tell(value.__self__)
        elif isinstance(value, types.ModuleType):
            yield f"module {value.__name__} {_file(value)};"
        elif isinstance(value, types.CodeType):
            yield from self._code(value)
        elif isinstance(value, type):
            yield from self._class(value)
        else:
            yield from self._data(value)

    def _data(self, value: Any) -> Iterator[str]:
        kind = type(value)
        if kind in (list, dict, set):
            self.copies.append((value, kind(value)))
        if kind in (list, tuple):
            yield from self._parts(kind.__qualname__, value)
        elif isinstance(value, tuple):  # a NamedTuple
            yield from self._parts("named", (kind, tuple(value)))
        elif kind in (set, frozenset):
            yield from self._sorted(kind.__qualname__, value)
        elif kind in (dict, types.MappingProxyType):
            yield from self._sorted("dict", value.items())
        elif isinstance(value, enum.Enum):
            yield from self._parts("enum", (kind, value.name, value.value))
        elif tables.is_metadata(value):
            self.is_fickle = True
            yield f"metadata {tables.known(value, identity).fingerprint};"
        elif "__dataclass_fields__" in vars(kind):
            self.is_fickle = True
            fields = {name: getattr(value, name, None) for name in kind.__dataclass_fields__}
            yield from self._parts("dataclass", (kind, fields))
        elif (wrapped := _wrapped(value)) is not None:
            yield from self._parts("wrapped", (kind, wrapped))
        else:
            yield from self._opaque(value)

    def _function(self, value: types.FunctionType) -> Iterator[str]:
        code = value.__code__
        yield f"function {value.__module__}.{value.__qualname__} {code.co_filename};"
        cells = [_content(cell) for cell in value.__closure__ or ()]
        reach = functools.partial(_reach, ref(value), sorted(_names(code)))
        self.reached.append((reach, reach()))
        if _is_library(code.co_filename):
            yield from self._parts("closure", cells)  # a decorator's holds the user's function
            return
        yield from self._parts("code", (code, value.__defaults__, value.__kwdefaults__, cells))
        known = value.__globals__
        used = {name: known[name] for name in sorted(_names(code)) if name in known}
        yield from self._parts("globals", [each for pair in used.items() for each in pair])

    def _code(self, code: types.CodeType) -> Iterator[str]:
        """Inner code by its bytes, since its repr holds an address."""
        yield f"{code.co_code.hex()} {code.co_names!r};"
        yield from self._parts("constants", code.co_consts)

    def _class(self, value: type) -> Iterator[str]:
        """A class by where it stands; one that a function has made by what this process knows."""
        yield f"class {value.__module__}.{value.__qualname__};"
        if "<locals>" in value.__qualname__ and not self._is_vouched_for:
            yield from self._opaque(value)
        module = sys.modules.get(value.__module__)
        yield f"{_file(module)};"
        if not _is_library(_file(module)) and tables.is_metadata(
            found := inspect.getattr_static(value, "metadata", None)
        ):
            yield from self._data(found)

    def _opaque(self, value: Any) -> Iterator[str]:
        kind = type(value)
        yield f"{kind.__module__}.{kind.__qualname__}"
        if self._is_vouched_for:
            call = inspect.getattr_static(kind, "__call__", None)
            yield from self._parts("", (call,) if isinstance(call, types.FunctionType) else ())
        else:
            _seen[id(value)] = value
            yield f" {os.getpid()} {id(value)};"

    def _parts(self, what: str, parts: Iterable[Any]) -> Iterator[str]:
        yield f"{what}("
        for part in parts:
            yield from self.tell(part)
        yield ")"

    def _sorted(self, what: str, parts: Iterable[Any]) -> Iterator[str]:
        yield f"{what}("
        yield from sorted("".join(self.tell(part)) for part in parts)
        yield ")"


def _reach(reference: ref[types.FunctionType], names: list[str]) -> list[Any]:
    """Return the objects that a function's code comes to, by identity comparable."""
    if (function := reference()) is None:
        return []
    known = function.__globals__
    return [
        *(function.__code__, function.__defaults__, function.__kwdefaults__),
        *map(_content, function.__closure__ or ()),
        *(known[name] for name in names if name in known),
    ]


def _names(code: types.CodeType) -> set[str]:
    """Return the names that code uses which may be global, those of inner functions included."""
    inner = (each for each in code.co_consts if isinstance(each, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return "empty"


def _wrapped(value: Any) -> Any:
    """Return the function behind what a decorator such as `functools.cache` has made."""
    try:
        return object.__getattribute__(value, "__dict__").get("__wrapped__")
    except AttributeError:
        return None


def _file(module: Any) -> str:
    found = vars(module).get("__file__") if isinstance(module, types.ModuleType) else ""
    return str(found or "")


_LIBRARY = (os.path.dirname(os.__file__) + os.sep, f"-packages{os.sep}", "<frozen ")  # noqa: PTH120


def _is_library(file: str) -> bool:
    """Say whether code is installed: then its place says enough for one run, and the manifest for
    others."""
    return not file or any(part in file for part in _LIBRARY)
