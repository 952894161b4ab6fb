"""Lets recorders see what this process reads: audit events, and public functions that have none.

An audit hook cannot be removed, so there is one for all recorders, from the first one on. While no
recorder is active it costs 0.2 us for each event (measured). `os.stat`, `os.lstat`, `os.access`,
`Thread.start` and the class of `os.environ` are replaced only while one is active. Other threads
may go through the replacements meanwhile, which do what the originals do; and whoever has taken
hold of one may keep it.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.schema.manifest.events import WANTED, take

if TYPE_CHECKING:
    from wflo_testkit.services.postgres.schema.manifest.noted import Noted

_lock = threading.Lock()
_active: tuple[Noted, ...] = ()
_is_hooked = False
_STAT = ("stat", "lstat", "access")
_SUPPORTS = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


def begin(noted: Noted) -> None:
    """Let `noted` be told what this process does."""
    global _active, _is_hooked
    with _lock:
        if not _is_hooked:
            sys.addaudithook(_hook)
            _is_hooked = True
        if not _active:
            _replace()
        _active = (*_active, noted)


def end(noted: Noted) -> None:
    """Let it be told no more; whatever was replaced for it is put back."""
    global _active
    with _lock:
        _active = tuple(each for each in _active if each is not noted)
        if not _active:
            _put_back()


def _hook(name: str, args: tuple[Any, ...]) -> None:
    if _active and name in WANTED:
        for noted in _active:
            _tell_event(noted, name, args)


def _tell_event(noted: Noted, name: str, args: tuple[Any, ...]) -> None:
    me = threading.get_ident()
    if me in noted.busy or not noted.hears():
        return
    noted.busy.add(me)
    try:
        take(noted, name, args)
    except Exception as error:  # noqa: BLE001 - raised in a hook it would end the work
        noted.cannot_keep(f"its {name} could not be recorded: {error!r}")
    finally:
        noted.busy.discard(me)


def _hearing() -> Iterator[Noted]:
    return (each for each in _active if each.hears())


class _Missed:
    """A finder behind all others: it is asked for what none of them has found."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Note that nobody has found the module; find nothing either."""
        for noted in _hearing():
            noted.missed(name, sys.path if path is None else path)
        return None


def _recorded(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def recorded(path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(path, *args, **kwargs)
        finally:
            if not isinstance(path, int) and kwargs.get("dir_fd") is None:
                for noted in _hearing():
                    with suppress(TypeError, ValueError):  # the call itself has told
                        noted.asked(path)

    return recorded


def _recorded_start(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def start(thread: threading.Thread) -> Any:
        for noted in _hearing():
            noted.starts(thread)
        return call(thread)

    return start


def _recorded_environ(kind: type) -> type:
    """Return a class for `os.environ` that tells what is read. `get`, `in`, `items`, `copy` and
    `os.getenv` come down to these methods (os._Environ, MutableMapping)."""

    class Environ(kind):  # type: ignore[misc]  # the class of os.environ, whatever it is
        def __getitem__(self, key: Any) -> Any:
            try:
                value = super().__getitem__(key)
            except KeyError:
                _tell_variable(key, None)
                raise
            _tell_variable(key, value)
            return value

        def __iter__(self) -> Iterator[Any]:
            for noted in _hearing():
                noted.all_variables(_as_text(self, super().__iter__()))
            return iter(super().__iter__())

        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, value)
            _tell_set(key)

        def __delitem__(self, key: Any) -> None:
            super().__delitem__(key)
            _tell_set(key)

    return Environ


def _as_text(environ: Any, names: Iterator[Any]) -> dict[str, str]:
    get = super(type(environ), environ).__getitem__
    return {os.fsdecode(name): os.fsdecode(get(name)) for name in names}


def _tell_variable(key: Any, value: Any) -> None:
    for noted in _hearing():
        noted.variable(os.fsdecode(key), None if value is None else os.fsdecode(value))


def _tell_set(key: Any) -> None:
    for noted in _hearing():
        noted.sets(os.fsdecode(key))


_replaced: list[tuple[Any, str, Callable[..., Any], Callable[..., Any]]] = []
_environs: list[tuple[Any, type]] = []


def _replace() -> None:
    for name in _STAT:
        _put(os, name, _recorded)
    # 3.11 has no audit event for it.
    _put(threading.Thread, "start", _recorded_start)
    for environ in (os.environ, getattr(os, "environb", None)):
        _replace_class(environ)
    sys.meta_path.append(_Missed)


def _put(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    recorded = make(original)
    for each in _SUPPORTS:  # such as `os.stat in os.supports_dir_fd`
        supported: set[Any] = getattr(os, each)
        if original in supported:
            supported.add(recorded)
    setattr(owner, name, recorded)
    _replaced.append((owner, name, original, recorded))


def _replace_class(environ: Any) -> None:
    if environ is None:
        return
    kind = type(environ)
    with suppress(TypeError):  # somebody has put a plain dict in its place
        environ.__class__ = _recorded_environ(kind)
        _environs.append((environ, kind))


def _put_back() -> None:
    for owner, name, original, recorded in _replaced:
        if getattr(owner, name) is recorded:
            setattr(owner, name, original)
        for each in _SUPPORTS:
            getattr(os, each).discard(recorded)
    _replaced.clear()
    for environ, kind in _environs:
        environ.__class__ = kind
    _environs.clear()
    with suppress(ValueError):
        sys.meta_path.remove(_Missed)
