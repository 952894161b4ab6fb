"""Progress of things that run side by side: one line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

from wflo_testkit.wait import clock

_BEAT = 15.0
"""Seconds of silence after which a plain log says what is still going on."""


class Progress:
    """A context manager whose `report(name, line)` shows what each name is doing now.

    Nothing is printed until the first report. Safe to call from several threads.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._began = clock.monotonic()
        self._current: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._spoke = self._began

    def __enter__(self) -> Self:
        threading.Thread(target=self._keep_alive, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with self._lock:
            self._clear()

    def report(self, name: str, line: str) -> None:
        """Show that `name` is now at `line`; a line that starts with `done` or `failed` ends it."""
        with self._lock:
            ended = line.startswith(("done", "failed"))
            if ended:
                self._current.pop(name, None)
            else:
                self._current[name] = (line, clock.monotonic())
            if ended or not self._terminal:
                self._print(f"[{self._elapsed():>4.0f} s] {name}: {line}")
            if self._terminal:
                self._redraw()

    def _keep_alive(self) -> None:
        while not self._over.wait(1.0):
            with self._lock:
                if self._terminal:
                    self._redraw()
                elif self._current and clock.monotonic() - self._spoke >= _BEAT:
                    self._print(f"[{self._elapsed():>4.0f} s] still at: {self._summary()}")

    def _elapsed(self) -> float:
        return clock.monotonic() - self._began

    def _summary(self) -> str:
        now = clock.monotonic()
        return " | ".join(
            f"{name}: {line} ({now - since:.0f} s)" for name, (line, since) in self._current.items()
        )

    def _print(self, text: str) -> None:
        self._clear()
        print(text, file=self._stream, flush=True)
        self._spoke = clock.monotonic()

    def _redraw(self) -> None:
        if self._current:
            width = shutil.get_terminal_size().columns - 1
            text = f"[{self._elapsed():>4.0f} s] {self._summary()}"[:width]
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def _clear(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
