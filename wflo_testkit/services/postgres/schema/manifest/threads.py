"""The threads whose work is the schema's, in a process that they share with tests."""

from __future__ import annotations

import threading

from wflo_testkit.wait import Deadline

_MOMENT = 0.5
"""Seconds for threads that were told to end: anyio's workers, for one, are not waited for."""


class Threads:
    """The thread that begins, and those that it starts."""

    def __init__(self) -> None:
        self._first = 0
        self._started: list[threading.Thread] = []

    def begin(self) -> None:
        """Begin with the calling thread."""
        self._first = threading.get_ident()

    @property
    def has_this(self) -> bool:
        """Whether the calling thread is one of them."""
        me = threading.get_ident()
        if me == self._first:
            return True
        # A number is given again once its thread has ended.
        return any(each.ident == me and each.is_alive() for each in self._started)

    @property
    def are_left(self) -> bool:
        """Whether one that was started still runs."""
        return any(each.is_alive() for each in self._started)

    def wait(self) -> None:
        """Give those that are about to end a moment; one that stays costs all of it."""
        deadline = Deadline(_MOMENT)
        for each in self._started:
            if each.is_alive():
                each.join(deadline.left)

    def adopt(self, thread: threading.Thread) -> None:
        """Add a thread that one of them starts."""
        self._started.append(thread)
