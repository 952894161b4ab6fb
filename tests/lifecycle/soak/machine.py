"""A made-up machine, on which the runs of a soak live: only they can prove one another dead."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lifecycle.conftest import GUARDS
from tests.lifecycle.runs import Launched
from tests.lifecycle.soak import suite
from tests.lifecycle.soak.phases import FRESH, Hook
from tests.lifecycle.test_deaths import kill_both, kill_the_broker
from tests.reuse.parts import remove_all_of
from wflo_testkit.runtime.reuse.user_folder import CACHE, UserFolder
from wflo_testkit.wait import wait_until

ENDLESS = {"SOAK_TESTS": "3000", "SOAK_SECONDS": "0.3"}
"""For a run that goes on until it is told to finish."""
PLUGINS = ("xdist.plugin", "wflo_testkit.plugin")
"""All that a run loads: a dozen starts at once, and others double what a start costs."""
PATIENCE = 200.0
"""Seconds within which a run has to get somewhere, on a machine that is busy with a dozen."""


@dataclass(frozen=True)
class Kind:
    """How a run is started.

    way: FRESH, KEPT or FIRST (see phases). cache: the cache folder; the common one if "".
    folder: the project's folder, its own if "". workers: of xdist, 0 for none.
    """

    way: str = FRESH
    workers: int = 0
    cache: str = ""
    folder: str = ""
    conftest: str = ""

    @property
    def options(self) -> list[str]:
        workers = ["-n", str(self.workers)] if self.workers else []
        return workers + ([] if self.way == FRESH else ["--wflo-reuse"])


class Machine:
    """Its host name, its temp folder, its cache folders, and all that runs on it.

    folder: for projects and caches. temp: the system's temp folder there; so short a path that a
    socket fits.
    """

    def __init__(self, folder: Path, temp: Path) -> None:
        self.folder = folder
        self.temp = temp
        self.host = f"soak-{secrets.token_hex(4)}/machine/1"
        self._launched: list[Launched] = []

    def home(self, cache: str = "") -> UserFolder:
        """Return the kept servers of a cache folder; only while `labels` knows this host."""
        return UserFolder(self._cache(cache) / CACHE)

    def launch(self, kind: Kind, **variables: str) -> Launched:
        """Start a run; returns at once."""
        name = f"run{len(self._launched)}"
        texts = {"conftest.py": suite.CONFTEST + kind.conftest, "test_it.py": suite.TESTS}
        given = {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "TMPDIR": str(self.temp),
            "XDG_CACHE_HOME": str(self._cache(kind.cache)),
            "SOAK_NAME": f"{self.host} {name}",
        }
        launched = Launched(
            self.folder / (kind.folder or name),
            texts,
            *(word for plugin in PLUGINS for word in ("-p", plugin)),
            *("-q", *kind.options),
            variables=given | variables,
            host=self.host,
            notes=self.folder / "notes" / name,
        )
        self._launched.append(launched)
        return launched

    def victim(self, hook: Hook, *, workers: int, guard: str, cache: str) -> Launched:
        """Start a run that comes to rest in the phase of `hook`."""
        kind = Kind(hook.way, workers, cache, conftest=hook.text)
        tests = {"SOAK_TESTS": str(4 * workers), "SOAK_SECONDS": str(hook.seconds)}
        return self.launch(kind, **tests, **GUARDS[guard])

    def endless(self, way: str, cache: str = "") -> Launched:
        """Start a run that works until it is told to finish."""
        return self.launch(Kind(way, cache=cache), **ENDLESS)

    def close(self) -> None:
        """Remove every run, and all that is kept."""
        for launched in self._launched:
            launched.end()
        for cache in self.folder.glob("cache*"):
            remove_all_of(self.home(cache.name.removeprefix("cache")))

    def _cache(self, name: str) -> Path:
        return self.folder / f"cache{name}"


def await_work(run: Launched) -> None:
    """Wait until a test of the run has passed. Raises AssertionError as soon as one has failed."""
    run.await_file("[pf]*ed*", timeout=PATIENCE)
    assert not list(run.notes.glob("failed-*")), run.output


def finish(runs: Sequence[Launched]) -> None:
    """Tell endless runs to finish, and wait until they have."""
    for run in runs:
        (run.notes / "finish").touch()
    await_end(runs)


def await_end(runs: Sequence[Launched]) -> None:
    """Wait until all have ended by themselves. Raises WaitTimeout."""

    def is_over() -> bool:
        return all(run.process.poll() is not None for run in runs)

    wait_until(is_over, timeout=PATIENCE, poll=0.1, describe="the runs end")


def kill_pytest(run: Launched) -> None:
    """Kill the whole process group, in which the broker is not."""
    run.die(signal.SIGKILL, everybody=True)


DEATHS = {"pytest": kill_pytest, "the broker": kill_the_broker, "both": kill_both}
"""Who is killed -> how; where that is the broker alone, Ctrl-C ends the tests then."""
