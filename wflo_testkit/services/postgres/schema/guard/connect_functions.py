"""Stands before the functions that connect, as long as a guard is active.

A function is replaced from within: it keeps its identity and gets other code (`__code__` is
writable: Python reference, The standard type hierarchy, user-defined functions). So whoever has
the function already goes through the guard as well: `from psycopg import connect`, a
`functools.partial`, a subclass, a pool; and nothing of a project's has to be searched.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any

from wflo_testkit.services.postgres.schema.guard import active_guards

Before = Callable[[inspect.BoundArguments], None]
_KEY = "which entrance"


@dataclass(frozen=True, slots=True)
class Entrance:
    """A function through which connections are opened.

    module: the package whose import brings it. path: its name there, such as
    "Connection.connect". before: is called with its arguments; what it raises is raised.
    """

    module: str
    path: str
    before: Before

    def function(self) -> FunctionType | None:
        """Return the function, below wrappers; None where it is not loaded, or is no Python."""
        found: Any = sys.modules.get(self.module)
        for part in self.path.split("."):
            found = getattr(found, part, None)
        found = inspect.unwrap(getattr(found, "__func__", found)) if found else None
        return found if isinstance(found, FunctionType) else None


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A function under guard: its own code, and a copy of it that runs that code."""

    function: FunctionType
    code: CodeType
    original: FunctionType
    before: Before


_lock = threading.RLock()
_guards = 0
_replaced: dict[str, _Replaced] = {}
"""Kept when the guard is gone: a thread may just have entered a function that was replaced."""
_to_restore: list[_Replaced] = []
"""More than one of a name, where a module has been loaded again."""


def enter(key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the function `key` as it was, unless what stands before it raises."""
    replaced = _replaced[key]
    if active_guards.current() is not None:
        bound = inspect.signature(replaced.original).bind(*args, **kwargs)
        bound.apply_defaults()
        replaced.before(bound)
    return replaced.original(*args, **kwargs)


def watch(entrances: Sequence[Entrance]) -> None:
    """Begin to stand before these entrances, those of modules that are imported later, too."""
    global _guards
    with _lock:
        _guards += 1
        if _guards == 1:
            _FINDER.entrances = entrances
            sys.meta_path.insert(0, _FINDER)
            for entrance in entrances:
                _replace(entrance)


def restore() -> None:
    """Put everything back when the last guard goes."""
    global _guards
    with _lock:
        _guards -= 1
        if _guards == 0:
            sys.meta_path.remove(_FINDER)
            while _to_restore:
                replaced = _to_restore.pop()
                replaced.function.__code__ = replaced.code
                del vars(replaced.function)["__wrapped__"]


def _replace(entrance: Entrance) -> None:
    key, function = f"{entrance.module}:{entrance.path}", entrance.function()
    if function is None or any(function is each.original for each in _to_restore):
        return
    _replaced[key] = _Replaced(function, function.__code__, _copy(function), entrance.before)
    _to_restore.append(_replaced[key])
    vars(function)["__wrapped__"] = _replaced[key].original  # for inspect.signature
    function.__code__ = _code(key, function)


def _copy(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    update_wrapper(copy, function, updated=())
    del vars(copy)["__wrapped__"]
    return copy


def _code(key: str, function: FunctionType) -> CodeType:
    """Return code for `function` that calls `enter(key, ...)`; it must have as many free names."""
    template = (_awaited if inspect.iscoroutinefunction(function) else _plain).__code__
    constants = (key if each == _KEY else each for each in template.co_consts)
    free = function.__code__.co_freevars
    return template.replace(co_consts=tuple(constants), co_freevars=free)


def _plain(*args: Any, **kwargs: Any) -> Any:
    # Runs with the globals of the function that it replaces.
    from wflo_testkit.services.postgres.schema.guard.connect_functions import enter

    return enter("which entrance", args, kwargs)


async def _awaited(*args: Any, **kwargs: Any) -> Any:
    from wflo_testkit.services.postgres.schema.guard.connect_functions import enter

    return await enter("which entrance", args, kwargs)


class _Finder(MetaPathFinder):
    """Finds nothing by itself, but takes note when a guarded package has been imported."""

    entrances: Sequence[Entrance] = ()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return what the other finders find for a guarded package, None for any other module."""
        own = [each for each in self.entrances if each.module == fullname]
        if not own:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((each for each in specs if each is not None), None)
        if spec is not None and spec.loader is not None:
            _after_import(fullname, spec.loader, own)
        return spec


def _after_import(name: str, loader: Any, own: list[Entrance]) -> None:
    """Let `loader` replace the entrances of the module `name` as soon as it has executed it."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if module.__name__ != name:  # some loaders serve many modules, that of a zip file for one
            return
        del loader.exec_module
        with _lock:
            for entrance in own if _guards else ():
                _replace(entrance)

    loader.exec_module = exec_module


_FINDER = _Finder()
