"""A run on external servers: what it is called there, and the end of what older runs have left."""

from __future__ import annotations

import contextlib
import itertools
import threading

from wflo_testkit import dated
from wflo_testkit.isolation import Isolation, Sweeps
from wflo_testkit.wait import Deadline, clock

MAX_AGE = 24 * 3600.0
"""Seconds, by default; see External."""
CLEARING_TIMEOUT = 10.0
"""Seconds that the end of a run waits for its clearing up after others."""
STEP_TIMEOUT = 5.0
"""Seconds that one step of it may take."""


def over(isolation: Sweeps, max_age: float, but: str = "") -> list[str]:
    """Return the dated runs that may be swept from an external server, oldest first.

    They are older than `max_age` seconds, by this machine's clock, and have no session there as
    far as the server can tell. but: this run. Raises what Sweeps.abandoned raises.
    """
    now, found = clock.wall(), isolation.abandoned()
    return sorted(run for run in found if run != but and dated.age(run, now) > max_age)


class External:
    """The external servers of one run. Safe to use from several threads.

    max_age: seconds for which everybody believes a run that no session shows to be going on.
    """

    def __init__(self, run: str, max_age: float) -> None:
        self._run = run
        self._max_age = max_age
        self._numbers = itertools.count()
        self._is_ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def name(self) -> str:
        """Return the id that this run's names carry on one more server, with today's date.

        Two of them may be one server by two names: what is made by each is called differently.
        """
        number = next(self._numbers)
        return dated.dated(f"{self._run}x{number}" if number else self._run, clock.wall())

    def sweep_behind(self, isolation: Isolation, run: str) -> None:
        """Drop, in the background, what is over on the server on which this run is `run`.

        What resists is left to the next run: nobody waits, or is told.
        """
        if isinstance(isolation, Sweeps):
            thread = threading.Thread(
                target=self._sweep, args=(isolation, run), name="wflo-sweep", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Let the sweeping come to its end, or to that of a step."""
        for patience in (CLEARING_TIMEOUT, STEP_TIMEOUT):
            deadline = Deadline(patience)
            for thread in self._threads:
                thread.join(deadline.left)
            self._is_ending.set()

    def _sweep(self, isolation: Sweeps, run: str) -> None:
        with contextlib.suppress(Exception):
            for each in over(isolation, self._max_age, but=run):
                with contextlib.suppress(Exception):
                    for _step in isolation.sweep([each]):
                        if self._is_ending.is_set():
                            return
