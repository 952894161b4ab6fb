"""Sees to it that what a run made goes when its broker's process dies, however it dies."""

from __future__ import annotations

import threading

from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime.address import ryuk_is_disabled
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.reaper import Reaper

REAPER_LIMIT = 10.0
"""Seconds that a start waits for Ryuk, whose image may have to be pulled; then it goes on without:
the broker and its owner watch each other."""
REMOVAL_PATIENCE = 3.0
"""Seconds that the end waits for a Ryuk that is still being started."""


class Guard:
    """Ryuk, from when it has acknowledged to the end: it survives what takes all of a run along.

    ryuk: whether it is wanted. For the rest see Reaper.
    """

    def __init__(self, engine: Engine, run: str, *, policy: str, ryuk: bool) -> None:
        self._reaper = Reaper(engine, run, policy=policy)
        self._wanted = ryuk and not ryuk_is_disabled()
        self._refusal: BaseException | None = None
        self._is_decided = threading.Event()
        self._removal: threading.Thread | None = None

    def begin(self) -> None:
        """Start to guard; returns at once. From now on things may be created, but not started."""
        if self._wanted:
            threading.Thread(target=self._start, name="wflo-reaper", daemon=True).start()
        else:
            self._is_decided.set()

    def wait(self) -> None:
        """Return once Ryuk holds, or it is known that it does not, or takes too long."""
        self._is_decided.wait(REAPER_LIMIT)

    @property
    def note(self) -> str:
        """Return a sentence about who guards this run if Ryuk does not, else ""."""
        if not self._is_decided.is_set() or (self._wanted and self._refusal is None):
            return ""
        reason = "could not start" if self._wanted else "is switched off"
        return f"Ryuk {reason}: only the broker clears up if this run is killed{self._why}"

    def remove(self) -> None:
        """Begin to remove Ryuk, whose container takes a while to go; returns at once.

        Call when the run's own containers are about to go: the owner watches over that.
        """
        self._removal = threading.Thread(target=self._remove, name="wflo-reaper-end", daemon=True)
        self._removal.start()

    def wait_until_removed(self) -> None:
        """Come to the end; call when nothing is left to guard."""
        if self._removal is not None:
            self._removal.join(60)

    def _start(self) -> None:
        try:
            self._reaper.start()
        except BaseException as error:  # noqa: BLE001 - told in the note
            self._refusal = error
        finally:
            self._is_decided.set()
        if self._removal is not None:  # it did not wait for a start that took so long
            self._reaper.remove()

    def _remove(self) -> None:
        self._is_decided.wait(REMOVAL_PATIENCE)
        self._reaper.remove()

    @property
    def _why(self) -> str:
        if isinstance(self._refusal, TestkitError):
            return f" ({self._refusal.what}: {self._refusal.cause or self._refusal.looked_at})"
        return f" ({self._refusal})" if self._refusal else ""
