"""Writes what failed tests have left on a server that goes with the run, in the background."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wflo_testkit.broker.servers import Servers
from wflo_testkit.errors import TestkitError
from wflo_testkit.isolation import Dump, Dumps, HeldLease
from wflo_testkit.runtime.printing import TooMuch

LIMIT = 20_000_000
"""Bytes of one dump, at most."""
NEWEST = 5
"""Dumps of a project that stay."""
PATIENCE = 20.0
"""Seconds to wait for dumps that are being written."""
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Order:
    """One dump. place: path without suffix. drops: whether the data goes once it is written."""

    key: str
    isolation: Dumps
    lease: HeldLease
    dump: Dump
    place: Path
    drops: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Return once it is written, or given up."""
        self.done.wait(PATIENCE)

    @property
    def file(self) -> Path:
        return self.place.with_name(f"{self.place.name}.{self.dump.suffix}")


@dataclass(frozen=True, slots=True, eq=False)
class _Sequel:
    key: str
    work: Callable[[], None]


class DumpWriter:
    """Writes one dump after the other, in a thread. Safe to use from several threads."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._changed = threading.Condition()
        self._waiting: deque[Order | _Sequel] = deque()
        self._under_way: Order | _Sequel | None = None
        self._notes: list[str] = []

    def begin(self, order: Order) -> None:
        """Write it soon. Of those that wait the oldest go unwritten: they would not stay."""
        with self._changed:
            waiting = [n for n, each in enumerate(self._waiting) if isinstance(each, Order)]
            if len(waiting) >= NEWEST:
                self._waiting[waiting[0]] = _unwritten(self._waiting[waiting[0]])
            self._add(order)

    def then(self, key: str, work: Callable[[], None]) -> None:
        """Do `work`, which ends the server `key`: now, or once its dumps are written."""
        with self._changed:
            if any(each.key == key for each in (*self._waiting, self._under_way) if each):
                self._add(_Sequel(key, work))
                return
        work()

    def notes(self) -> list[str]:
        """Return what a person should know of them, once all are written."""
        self._wait()
        with self._changed:
            return list(self._notes)

    def close(self) -> None:
        """Wait until all are written, but not for ever."""
        self._wait()

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._under_way), PATIENCE)

    def _add(self, each: Order | _Sequel) -> None:
        self._waiting.append(each)
        if self._under_way is None:
            self._under_way = self._waiting.popleft()
            threading.Thread(target=self._work, name="wflo-dumps", daemon=True).start()

    def _work(self) -> None:
        while (each := self._under_way) is not None:
            try:
                self._write(each) if isinstance(each, Order) else each.work()
            except Exception as error:  # a test's evidence must not cost the run
                log.exception("a failed test's data")
                if isinstance(each, Order):
                    self._note(each, f"is missing: {_said(error)}")
            with self._changed:
                if isinstance(each, Order):
                    each.done.set()
                self._under_way = self._waiting.popleft() if self._waiting else None
                self._changed.notify_all()

    def _write(self, order: Order) -> None:
        """Write dump and script, the latter last; then what is older, and was dumped, goes."""
        dump, file = order.dump, order.file
        left_out = b""
        try:
            text = self._servers.printed(order.key, dump.command, dump.environment, LIMIT)
        except TooMuch:
            text = self._servers.printed(order.key, dump.outline, dump.environment, LIMIT)
            left_out = f"-- Without its data: with it, it is larger than {LIMIT} bytes.\n".encode()
            self._note(order, f"has no data: with it, it would be larger than {LIMIT} bytes")
        _write(file, left_out + text)
        script = dump.opens.replace("{file}", file.name)
        _write(order.place.with_name(f"{order.place.name}.sh"), script.encode())
        _tidy(file.parent.parent, f"*/*.{dump.suffix}")
        if order.drops:
            order.isolation.drop_kept(order.lease)

    def _note(self, order: Order, what: str) -> None:
        with self._changed:
            self._notes.append(f"{order.file.parent.name}/{order.file.name} {what}")


def _unwritten(order: Order | _Sequel) -> _Sequel:
    """Return what is left to do for a dump that is not written."""
    assert isinstance(order, Order)
    order.done.set()
    drops, lease = order.drops, order.lease
    return _Sequel(order.key, lambda: order.isolation.drop_kept(lease) if drops else None)


def _said(error: Exception) -> str:
    words = (error.what, error.cause) if isinstance(error, TestkitError) else (str(error),)
    return " ".join(": ".join(each for each in words if each).split())


def _write(path: Path, content: bytes) -> None:
    """Write a file that only this user can read. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _tidy(failures: Path, pattern: str) -> None:
    """Remove all dumps but the newest, each with its script."""
    dated: list[tuple[float, Path]] = []
    for each in failures.glob(pattern):
        with contextlib.suppress(OSError):  # another run removes it, too
            dated.append((each.stat().st_mtime, each))
    for _moment, old in sorted(dated, reverse=True)[NEWEST:]:
        for path in (old, old.with_suffix(".sh")):
            with contextlib.suppress(OSError):
                path.unlink()
