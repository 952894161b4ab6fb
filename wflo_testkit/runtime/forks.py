"""What a forked child must let go of: held open, it would look as if the parent still lived."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable

_let_go: list[weakref.WeakMethod[Callable[[], None]]] = []


def in_child(method: Callable[[], None]) -> None:
    """Call `method`, a bound one, in every forked child, as long as its object lives."""
    _let_go[:] = [each for each in _let_go if each() is not None]
    _let_go.append(weakref.WeakMethod(method))


def _after() -> None:
    for each in _let_go:
        if (method := each()) is not None:
            with contextlib.suppress(OSError):
                method()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after)
