"""What a fork changes: what the child must let go of, and what has to stand before it.

Held open by a child, a connection would look as if the parent still lived.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable

Method = weakref.WeakMethod[Callable[[], None]]

_before: list[Method] = []
_let_go: list[Method] = []


def in_child(method: Callable[[], None]) -> None:
    """Call `method`, a bound one, in every forked child, as long as its object lives."""
    _add(_let_go, method)


def before(method: Callable[[], None]) -> None:
    """Call `method`, a bound one, in the parent before every fork, as long as its object lives."""
    _add(_before, method)


def _add(methods: list[Method], method: Callable[[], None]) -> None:
    methods[:] = [each for each in methods if each() is not None]
    methods.append(weakref.WeakMethod(method))


def _call(methods: list[Method]) -> None:
    for each in list(methods):
        if (method := each()) is not None:
            with contextlib.suppress(OSError):
                method()


def _prepare() -> None:
    _call(_before)


def _after() -> None:
    _call(_let_go)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_prepare, after_in_child=_after)
