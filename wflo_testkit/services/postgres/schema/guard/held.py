"""Engines and settings that the project's modules hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any

from wflo_testkit.services.postgres.schema.guard.project_code import ProjectCode


def of_engine(asked: Any, code: ProjectCode) -> Iterator[str]:
    """Yield "module.name" of the engine or pool `asked`, also within an AsyncEngine."""
    if asked is not None:
        for module, name, value in _values(code):
            inner = _attributes(value).items()
            held = [("", value), *((f".{key}", each) for key, each in inner)]
            for key, each in held:
                if each is asked or _sync(each) is asked:
                    yield f"{module}.{name}{key}"


def of_settings(leads: Callable[[str], bool], code: ProjectCode) -> Iterator[str]:
    """Yield "module.name" or "module.object.name" of what holds an address, as text or as a URL.

    An object that several modules have is named once.
    """
    seen: set[int] = set()
    for module, name, value in _values(code):
        if id(value) in seen:
            continue
        seen.add(id(value))
        if leads(_text(value)):
            yield f"{module}.{name}"
        else:
            inner = _attributes(value).items()
            yield from (f"{module}.{name}.{key}" for key, held in inner if leads(_text(held)))


def _values(code: ProjectCode) -> Iterator[tuple[str, str, Any]]:
    for module, namespace in code.modules.items():
        for name, value in list(namespace.items()):
            if not name.startswith("__"):
                yield module, name, value


def _sync(value: Any) -> Any:
    """Return the engine in an AsyncEngine; asks the type alone, since proxies answer for others."""
    asyncio = sys.modules.get("sqlalchemy.ext.asyncio")
    return value.sync_engine if asyncio and issubclass(type(value), asyncio.AsyncEngine) else None


def _text(value: Any) -> str:
    """Return the text of what may be an address; "" for what is not known to be harmless to ask."""
    kind = type(value)
    with suppress(Exception):
        if issubclass(kind, str):
            return str(value)
        if kind.__module__.startswith("sqlalchemy.engine") and kind.__name__ == "URL":
            return str(value.render_as_string(hide_password=False))
        if kind.__module__.startswith("pydantic"):
            return str(getattr(value, "get_secret_value", value.__str__)())
    return ""


def _attributes(value: Any) -> Mapping[str, Any]:
    """Return what an object, a class or a dict holds under names."""
    if issubclass(type(value), dict):
        return {str(key): held for key, held in value.items()}
    library = type(value).__module__.startswith("sqlalchemy")  # an engine is no settings object
    if library or issubclass(type(value), ModuleType | FunctionType):
        return {}
    with suppress(Exception):  # a proxy may refuse
        return dict(vars(value))
    return {}
