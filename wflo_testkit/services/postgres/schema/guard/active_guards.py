"""Which guard governs a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from wflo_testkit.services.postgres.schema.guard.places import Place


class Governs(Protocol):
    """A guard, as far as whoever is about to connect asks for it."""

    whole_process: bool

    def check(self, places: Iterable[Place], asked: Any) -> None: ...


_active: list[Governs] = []
_of_thread: WeakKeyDictionary[threading.Thread, tuple[Governs, ...]] = WeakKeyDictionary()
"""The guards that a thread has entered or was born under, the innermost last."""


def begin(guard: Governs) -> None:
    """Let `guard` govern this thread (all threads, where it is for the whole process)."""
    _active.append(guard)
    if not guard.whole_process:
        thread = threading.current_thread()
        _of_thread[thread] = (*_of_thread.get(thread, ()), guard)


def end(guard: Governs) -> None:
    """Let `guard` govern nobody any more, not even threads that live on."""
    _active.remove(guard)
    thread = threading.current_thread()
    left = tuple(each for each in _of_thread.get(thread, ()) if each is not guard)
    if left:
        _of_thread[thread] = left
    else:
        _of_thread.pop(thread, None)


def inherit(thread: threading.Thread) -> None:
    """Let the guards of this thread govern `thread`, which it is about to start."""
    if guards := _of_thread.get(threading.current_thread()):
        _of_thread[thread] = guards


def current() -> Governs | None:
    """Return the innermost active guard of this thread, else one of the whole process."""
    if not _active:
        return None
    for guard in reversed(_of_thread.get(threading.current_thread(), ())):
        if guard in _active:
            return guard
    return next((each for each in reversed(_active) if each.whole_process), None)
