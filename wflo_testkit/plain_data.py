"""Dataclasses made of plain data, such as JSON, that was not written a moment ago."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read(kind: type[T], data: Any, **extra: Any) -> T:
    """Build the dataclass `kind` from plain data that another version or a hand may have written.

    extra: fields that are no plain data. Raises ValueError, which names what is unknown, missing
    or of another type.
    """
    if not isinstance(data, Mapping):
        found = type(data).__name__
        raise ValueError(f"{kind.__name__}: {found} instead of named fields")  # noqa: TRY004
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    for name, value in data.items():
        if name not in hints:
            raise ValueError(f"{kind.__name__}: unknown field {name!r}")
        if not _fits(value, hint := hints[name]):
            wanted = hint if get_args(hint) else hint.__name__
            raise ValueError(f"{kind.__name__}: the field {name!r} is not {wanted}")
    try:
        return kind(**data, **extra)
    except TypeError as error:  # what is missing
        raise ValueError(f"{kind.__name__}: {error}") from None


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Return field -> type; Any for all where they cannot be told, as of names that are imported
    for type checkers alone."""
    try:
        known = get_type_hints(kind)
    except (NameError, AttributeError, TypeError):
        known = {}
    return {each.name: known.get(each.name, Any) for each in dataclasses.fields(kind)}


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value that was JSON is what an annotation asks for, as far as this can tell."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(each, inner[1]) for each in value.values())
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(each, inner[0]) for each in value)
    if hint in (str, int, float):
        wanted = int | float if hint is float else hint
        return isinstance(value, wanted) and not isinstance(value, bool)
    return isinstance(value, bool) if hint is bool else True
