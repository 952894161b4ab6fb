"""`reset()` of a handle: what takes part in it besides the broker, in the process that asks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from wflo_testkit.errors import IsolationFailed, LeftoverWarning
from wflo_testkit.model import Json

VERB = "reset"
"""What an isolation is called with; it returns a sentence for each thing that it has ended."""


def unleased(verb: str, **_args: Json) -> Json:
    """Stand for the call of a lease that nobody has."""
    raise IsolationFailed(f"there is no lease here to be asked for {verb!r}")


def _warn(message: str) -> None:
    warnings.warn(LeftoverWarning(message), stacklevel=4)


class Reset:
    """Asks for a lease to be what it was when it was given out; a handle has one and calls it.

    Pickles, without what takes part: that belongs to this process, as it does in a forked child.
    call: the lease's. warn: tells of what was ended.
    only_here: why another process cannot do it, "" if it can. process: the id of the one that can.
    """

    def __init__(
        self,
        call: Callable[..., Json] = unleased,
        warn: Callable[[str], None] = _warn,
        *,
        only_here: str = "",
        process: int | None = None,
    ) -> None:
        self._call = call
        self._warn = warn
        self._only_here = only_here
        self._process = os.getpid() if process is None else process
        self._parts: list[tuple[Callable[[], Sequence[int] | None], Callable[[], None] | None]] = []

    def __call__(self) -> None:
        """Let go, ask the isolation, begin anew; warn of what was ended.

        Raises IsolationFailed: it cannot be reset, or not from here, or has been given back.
        """
        is_here = self._process == os.getpid()
        if self._only_here and not is_here:
            raise IsolationFailed(
                "reset() cannot be called in this process",
                cause=self._only_here,
                fix="call it in the process of the test",
            )
        parts = list(self._parts) if is_here else []
        released: list[int] = []
        told: list[str] = []

        def ask() -> None:
            told.extend(self._call(VERB, released=released))

        def release(let_go: Callable[[], Sequence[int] | None]) -> None:
            released.extend(let_go() or ())

        with ExitStack() as stack:  # what was opened last lets go first; then, in any case, asks
            stack.callback(ask)
            for let_go, _anew in parts:
                stack.callback(release, let_go)
        for _let_go, anew in parts:
            if anew is not None:
                anew()
        if told:
            self._warn(f"at reset(): {'; '.join(told)}")

    @contextmanager
    def taking_part(
        self, let_go: Callable[[], Sequence[int] | None], anew: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Call these, inside, before and after the isolation is asked.

        let_go: may return by which numbers the server knows the connections that it has given up
        and cannot close at once.
        """
        part = (let_go, anew)
        self._parts.append(part)
        try:
            yield
        finally:
            self._parts.remove(part)

    def __repr__(self) -> str:
        return "<Reset>"

    def __reduce__(self) -> tuple[object, ...]:
        return partial(Reset, only_here=self._only_here, process=self._process), (self._call,)
