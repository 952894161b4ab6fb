"""Clears up, beside a run, what earlier ones left behind whose process is proven dead."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from wflo_testkit.runtime import leftovers

START_LIMIT = 8.0
"""Seconds in which this run's servers have the daemon to themselves."""
CLEARING_LIMIT = 15.0
"""Seconds that a start waits for stopped leftovers to go; on an idle machine they take one."""


class DeadRuns:
    """One run's sweep, in a thread of its own.

    Stopped containers of dead runs, as a restart of the daemon leaves them, go before this run
    starts anything; what still runs goes when this run's servers have had time to start. What
    resists is left to the next run. api: docker-py's low-level client.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._cleared = threading.Event()
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wflo-sweep", daemon=True)

    def begin(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def wait(self) -> None:
        """Return once no stopped leftovers are in the way."""
        self._cleared.wait(CLEARING_LIMIT)

    def look_again(self) -> None:
        """Look for what still runs now, since the run comes to its end; returns at once."""
        self._is_ending.set()

    def finish(self) -> None:
        """Come to the end."""
        self.look_again()
        self._thread.join(30)

    def _run(self) -> None:
        with contextlib.suppress(Exception):
            if leftovers.stopped(self._api):
                leftovers.remove_all(leftovers.of_dead_runs(self._api), running=False)
        self._cleared.set()
        self._is_ending.wait(START_LIMIT)
        with contextlib.suppress(Exception):
            leftovers.remove_all(leftovers.of_dead_runs(self._api))
