"""Sees to it that what a run made goes when its process dies, however it dies."""

from __future__ import annotations

import contextlib
import threading

from wflo_testkit.errors import StartFailed, TestkitError
from wflo_testkit.runtime.address import ryuk_is_disabled
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.reaper import Reaper
from wflo_testkit.runtime.watchdog import Watchdog

PATIENCE = 10.0
"""Seconds that a start waits for Ryuk, whose image may have to be pulled; then it goes on under
the watchdog's guard."""


class Guard:
    """The watchdog from the first moment, and Ryuk from when it has acknowledged to the end.

    Ryuk survives what may take the watchdog along (a container or a job that is killed as a
    whole); the watchdog runs where Ryuk does not. ryuk: whether Ryuk is wanted. For the rest see
    Reaper.
    """

    def __init__(self, engine: Engine, run: str, *, policy: str, ryuk: bool) -> None:
        self._run = run
        self._endpoint = engine.endpoint
        self._watchdog = Watchdog(run, self._endpoint)
        self._unwatched: StartFailed | None = None
        self._reaper = Reaper(engine, run, policy=policy)
        self._wanted = ryuk and not ryuk_is_disabled()
        self._refusal: BaseException | None = None
        self._settled = threading.Event()
        self._relief: threading.Thread | None = None

    def begin(self) -> None:
        """Start to guard; returns at once. From now on things may be created, but not started."""
        try:
            self._watchdog.start()
        except StartFailed as error:
            self._unwatched = error
        if self._wanted:
            threading.Thread(target=self._hand_over, name="wflo-reaper", daemon=True).start()
        else:
            self._settled.set()

    def wait(self) -> None:
        """Return once one of the two holds. Raises StartFailed when neither can."""
        self._settled.wait(PATIENCE if self._unwatched is None else None)
        if self._ryuk_holds:
            return
        if self._unwatched is not None:
            raise self._refusal or self._unwatched
        try:
            self._watchdog.confirm()
        except StartFailed:
            if not self._ryuk_holds:  # it took over meanwhile
                raise

    @property
    def note(self) -> str:
        """Return a sentence about the understudy if Ryuk does not guard this run, else ""."""
        if self._ryuk_holds or not self._settled.is_set():
            return ""
        reason = "could not start" if self._wanted else "is switched off"
        return f"Ryuk {reason}: a watchdog process clears up if this run is killed{self._why}"

    def relieve(self) -> None:
        """Let the watchdog take over from Ryuk, whose container takes a while to go.

        Returns at once; call when the run's own containers are about to go.
        """
        if self._ryuk_holds:
            self._watchdog = Watchdog(self._run, self._endpoint)
            self._relief = threading.Thread(target=self._take_over, name="wflo-relief", daemon=True)
            self._relief.start()

    def dismiss(self) -> None:
        """End both; call when nothing is left to guard."""
        self._settled.wait(60)
        if self._relief is not None:
            self._relief.join(60)
        self._reaper.remove()
        self._watchdog.dismiss()

    def hang_up(self) -> None:
        """Let them remove now what could not be removed from here."""
        self._reaper.hang_up()
        self._watchdog.hang_up()

    @property
    def _ryuk_holds(self) -> bool:
        return self._wanted and self._settled.is_set() and self._refusal is None

    @property
    def _why(self) -> str:
        if isinstance(self._refusal, TestkitError):
            return f" ({self._refusal.what}: {self._refusal.cause or self._refusal.looked_at})"
        return f" ({self._refusal})" if self._refusal else ""

    def _hand_over(self) -> None:
        try:
            self._reaper.start()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits, and in the note
            self._refusal = error
        finally:
            self._settled.set()
        if self._ryuk_holds:
            self._watchdog.dismiss()

    def _take_over(self) -> None:
        with contextlib.suppress(StartFailed):  # then Ryuk stays to the end
            self._watchdog.start()
            self._watchdog.confirm()
            self._reaper.remove()
