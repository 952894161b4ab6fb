"""What is counted of a soak: leaks, bystanders that were hurt, words that crossed over.

Each counter returns a sentence per finding, so that a number can be explained.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tests.lifecycle.runs import Launched
from tests.lifecycle.soak.machine import Machine
from tests.reuse.parts import kept_by
from tests.reuse.traces import traces
from tests.services.asker import row
from wflo_testkit.model import Server
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.records import Record, Records
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.reuse.uses import Uses
from wflo_testkit.wait import WaitTimeout, wait_until


def leaked(machine: Machine, runs: Iterable[str], caches: Iterable[str]) -> list[str]:
    """Return what dead or ended runs have left where only a later run clears up.

    That is in the temp folder, in the homes of `caches`, and on the servers that are kept there.
    """
    left = [f"in the temp folder: {each.name}" for each in orphans(machine.temp)]
    for cache in caches:
        left += strays(machine.home(cache), list(runs))
    return left


def orphans(temp: Path) -> list[Path]:
    """Return what is in a temp folder and is neither pytest's nor a living run's."""
    others = (path for path in temp.iterdir() if not path.name.startswith("pytest-of-"))
    return [path for path in others if not _is_owned(path)]


def strays(home: UserFolder, runs: Sequence[str]) -> list[str]:
    """Return what is wrong in a home: no living run and no sound record accounts for it."""
    records = list(Records(home))
    recorded = {record.container_id for record in records}
    kept = set(kept_by(home))
    wrong = [f"kept without a record: {each}" for each in sorted(kept - recorded)]
    wrong += [f"a record without its container: {each}" for each in sorted(recorded - kept)]
    wrong += [f"half of a record: {path.name}" for path in home.files(".draft-*")]
    wrong += [f"mark of a run that is over: {run}" for run in sorted(_marks(home, runs))]
    for record in records:
        if record.container_id in kept:
            wrong += _on(_server(record), runs)
    return wrong


def hurt(runs: Iterable[Launched], passed: int | None = None) -> list[str]:
    """Return what befell runs that should have noticed nothing, once they have ended.

    passed: how many tests of each should have passed; None for an endless one.
    """
    return [f"{run.notes.name}: {each}" for run in runs for each in _complaints(run, passed)]


def crossed(runs: Iterable[Launched]) -> list[str]:
    """Return the words that a test saw and that another one had written."""
    return [
        f"{run.notes.name} saw {path.read_text()!r}"
        for run in runs
        for path in sorted(run.notes.glob("foreign-*"))
    ]


def patiently(look: Callable[[], list[str]], limit: float) -> list[str]:
    """Return what `look` finds, as soon as that is nothing, or else after `limit` seconds."""
    left: list[str] = []

    def is_clean() -> bool:
        nonlocal left
        left = look()
        return not left

    try:
        wait_until(is_clean, timeout=limit, poll=0.2, catch=())
    except WaitTimeout:
        return left
    return []


class Containers:
    """The containers on which a run was first seen to work; they should stay as they were."""

    def __init__(self, run: Launched) -> None:
        self._run = run
        self._then = self._now()

    def changed(self) -> list[str]:
        """Return what has become of them, while the run still goes on."""
        if self._run.process.poll() is not None:
            return [f"{self._run.notes.name}: ended before it was told to"]
        now = self._now()
        return [
            f"{self._run.notes.name}: {each[:12]} was {self._then.get(each)}, is {now.get(each)}"
            for each in sorted({*now, *self._then})
            if now.get(each) != self._then.get(each)
        ]

    def _now(self) -> dict[str, str]:
        """Return container -> whether it runs, and since when."""
        ids = [path.name.removeprefix("on-") for path in self._run.notes.glob("on-*")]
        states = "{{json .Id}} {{json .State.Running}} {{json .State.StartedAt}}"
        said = subprocess.run(["docker", "inspect", "-f", states, *ids], capture_output=True)
        # For a container that is gone it exits with 1, and says the rest.
        assert not ids or said.returncode == 0 or b"No such" in said.stderr, said.stderr
        lines = said.stdout.decode().splitlines() if ids else []
        found = (line.split(" ", 1) for line in lines if line)
        return {json.loads(id_): state for id_, state in found}


def _complaints(run: Launched, passed: int | None) -> Iterator[str]:
    if run.process.returncode != 0:
        yield f"ended with {run.process.returncode}: {run.output[-1500:]}"
    for path in sorted(run.notes.glob("failed-*")):
        yield f"failed: {path.read_text()}"
    count = run.notes / "passed"
    found = int(count.read_text()) if count.exists() else 0
    if (passed is None and not found) or (passed is not None and found != passed):
        yield f"{found} tests passed"


def _marks(home: UserFolder, runs: Sequence[str]) -> set[str]:
    """Return those of `runs`, and of any that are proven over, whose mark of use is there."""
    names = [path.name.split(".") for path in home.files("*.use")]
    over = {run for key in {name[0] for name in names} for run in Uses(home).over(key)}
    return over | {name[1] for name in names if name[1] in runs}


def _on(server: Server, runs: Sequence[str]) -> list[str]:
    found = {name for run in runs if run for name in traces(server, run)}
    return [f"on {server.name}: {name}" for name in sorted(found)]


def _is_owned(path: Path) -> bool:
    try:
        return not labels.owner_is_dead((path / "owner").read_text())
    except OSError:
        return False


def _server(record: Record) -> Server:
    return row(str(record.server["service"])).server.from_json(record.server)
