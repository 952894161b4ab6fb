"""Kills runs in the middle of a phase, beside others that must not notice."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.lifecycle.conftest import GUARDS
from tests.lifecycle.runs import LIMIT, Launched
from tests.lifecycle.soak.count import Count
from tests.lifecycle.soak.counters import (
    Containers,
    crossed,
    hurt,
    leaked,
    patiently,
    strays,
)
from tests.lifecycle.soak.footprint import Footprint, footprint
from tests.lifecycle.soak.machine import DEATHS, PATIENCE, Machine, await_work, finish
from tests.lifecycle.soak.phases import FIRST, FRESH, GUARDED, KEPT, Hook
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.leftovers import START_LIMIT
from wflo_testkit.wait import Deadline, pause

NOBODY = "killed-before-it-had-an-id"
LATE = 3.0
"""Seconds within which the daemon carries out what it was asked for when the caller died."""
SWEPT = 60.0
"""Seconds that the next run may take to find what a dead one has left to it."""


@dataclass(frozen=True)
class Victim:
    """A run that is to die.

    death: who of it is killed. cache: its cache folder's name. kept: what it makes to be kept.
    """

    number: int
    death: str
    run: Launched
    hook: Hook
    cache: str
    kept: Footprint


class Killer:
    """Kills batch after batch on one machine, and counts.

    api: docker-py's low-level client. workers: of each victim. seed: of the moments.
    guards: of the victims, in turn for each hook. deaths: of them, in turn likewise; what is left
        of pytest and broker together only Ryuk knows.
    """

    def __init__(
        self,
        machine: Machine,
        api: Any,
        *,
        workers: int,
        seed: int,
        guards: Iterable[str] = GUARDS,
        deaths: Iterable[str] = DEATHS,
    ) -> None:
        self.count = Count()
        self._machine = machine
        self._api = api
        self._workers = workers
        self._guards = list(guards)
        self._deaths = list(deaths)
        self._used: Counter[Hook] = Counter()
        self._moments = random.Random(seed)
        self._started = 0

    def kill(self, hooks: Sequence[Hook], *, at_once: int) -> None:
        """Kill a run for each of `hooks`, beside bystanders that use the same services."""
        ways = {FRESH, *(hook.way for hook in hooks if hook.way == KEPT)}
        bystanders = [self._machine.endless(way) for way in sorted(ways)]
        for each in bystanders:
            await_work(each)
        pause(START_LIMIT)  # then they have looked for what dead runs left, once: not for these
        seen = [Containers(each) for each in bystanders]
        for begin in range(0, len(hooks), at_once):
            self._batch(hooks[begin : begin + at_once])
        self.count.hurt += [change for each in seen for change in each.changed()]
        self._end(bystanders)

    def _batch(self, hooks: Sequence[Hook]) -> None:
        victims = [self._begin(hook) for hook in hooks]
        spans = [self._moments.uniform(0, hook.span) for hook in hooks]
        with ThreadPoolExecutor(len(victims)) as pool:
            for left in pool.map(self._kill, victims, spans):
                self.count.leaked += left
        self.count.crossed += crossed(victim.run for victim in victims)
        self._sweep(victims)

    def _begin(self, hook: Hook) -> Victim:
        self._started += 1
        cache = f"-{self._started}" if hook.way == FIRST else ""
        death = self._deaths[self._used[hook] % len(self._deaths)]
        guard = self._guards[self._used[hook] % len(self._guards)] if death != "both" else "Ryuk"
        self._used[hook] += 1
        more = GUARDED if death == "both" else ""
        begun = dataclasses.replace(hook, text=hook.text + more)
        run = self._machine.victim(begun, workers=self._workers, guard=guard, cache=cache)
        home = self._machine.home(cache)
        kept = Footprint(self._api, f"{labels.HOME}={home.label}")
        return Victim(self._started, death, run, hook, cache, kept)

    def _kill(self, victim: Victim, moment: float) -> list[str]:
        """Kill one run; return what its guard has not removed in time."""
        if victim.hook.text:
            announced = self._workers if victim.hook.everywhere else 1
            victim.run.await_file("in-*", announced, timeout=PATIENCE)
        pause(moment)
        mine = footprint(self._api, victim.run.run or NOBODY)
        for each in (mine, victim.kept):
            each.look()
        DEATHS[victim.death](victim.run)
        assert landed(victim), f"{victim.run.notes.name} got out of its phase"
        self.count.done += 1
        deadline = Deadline(LIMIT)
        left = patiently(mine.left, deadline.left)
        pause(LATE)
        return left or patiently(mine.left, deadline.left)

    def _sweep(self, victims: Sequence[Victim]) -> None:
        """Let the next run find what is its to clear up, one in each cache folder."""
        ways = {victim.cache: self._heir(victim) for victim in victims}
        if KEPT in {victim.hook.way for victim in victims}:
            ways[""] = KEPT
        heirs = [self._machine.endless(way, cache) for cache, way in sorted(ways.items())]
        for heir in heirs:
            await_work(heir)
        patiently(lambda: self._strays(victims), SWEPT)  # they clear up beside their own work
        self._end(heirs)
        runs = [victim.run.run for victim in victims]
        self.count.leaked += leaked(self._machine, runs, ways)
        self.count.leaked += [each for victim in victims for each in victim.kept.astray()]

    @staticmethod
    def _heir(victim: Victim) -> str:
        """Return how the next run goes on; every other one does not ask for reuse."""
        return victim.hook.way if victim.number % 2 else FRESH

    def _strays(self, victims: Sequence[Victim]) -> list[str]:
        runs = [victim.run.run for victim in victims]
        caches = {victim.cache for victim in victims}
        left = [each for cache in caches for each in strays(self._machine.home(cache), runs)]
        return left + [each for victim in victims for each in victim.kept.astray()]

    def _end(self, runs: Sequence[Launched]) -> None:
        finish(runs)
        self.count.hurt += hurt(runs)
        self.count.crossed += crossed(runs)


def landed(victim: Victim) -> bool:
    """Tell whether a dead run died in its phase: it went in and never came out."""
    notes = victim.run.notes
    went_in = not victim.hook.text or any(notes.glob("in-*"))
    return went_in and not (notes / "past").exists()
