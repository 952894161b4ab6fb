"""What happened to containers, as the daemon tells it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wflo_testkit.runtime import labels
from wflo_testkit.wait import clock, wait_until


@dataclass(frozen=True)
class Event:
    """One event of a container. action: create, start, die, destroy, ...; at: seconds, epoch.

    name: the container's, which tells the run of what carries no label with it, as the reaper.
    """

    action: str
    container: str
    service: str
    run: str
    at: float
    name: str = ""


class Events:
    """The events of all runs' containers since this began to listen."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, run: str) -> list[Event]:
        """Return the events of the servers of `run`, oldest first."""
        return [event for event in self._all() if event.run == run]

    def created(self, run: str) -> Counter[str]:
        """Return how many containers `run` has created, by the word in their names.

        What is gone by now was there: call it after a run has ended.
        """
        self.until_destroyed(run, least=0)
        words = [e.name.split("-") for e in self._all() if e.action == "create" and run in e.name]
        return Counter(word for _wflo, word, *_rest in words)

    def when(self, action: str, container: str) -> float:
        """Return when that happened to a container, waiting for the news of it."""

        def found() -> list[float]:
            return [e.at for e in self._all() if (e.action, e.container) == (action, container)]

        return wait_until(found, timeout=60, poll=0.1, describe=f"{action} {container[:12]}")[0]

    def until_destroyed(self, run: str, *, least: int = 1) -> list[Event]:
        """Return them once every container that was created has been destroyed.

        least: how many there are; the news of the first may still be on its way.
        """

        def is_over() -> bool:
            happened = [(event.action, event.container) for event in self.of(run)]
            created = {container for action, container in happened if action == "create"}
            is_known = len(created) >= least
            return is_known and all(("destroy", each) in happened for each in created)

        wait_until(is_over, timeout=60, poll=0.1, describe="every container is destroyed")
        return self.of(run)

    def _all(self) -> list[Event]:
        lines = self._path.read_text().splitlines()
        return [_event(json.loads(line)) for line in lines if line.endswith("}")]


@contextmanager
def listening(folder: Path) -> Iterator[Events]:
    """Listen to the daemon."""
    path = folder / "events.jsonl"
    # Begun a moment ago: the daemon remembers what happens while this connects.
    words = ["--since", f"{clock.wall() - 1:.3f}", "--format", "{{json .}}"]
    chosen = ["--filter", "type=container", "--filter", f"label={labels.KIT}"]
    with path.open("w") as output:
        process = subprocess.Popen(["docker", "events", *words, *chosen], stdout=output)
    try:
        yield Events(path)
    finally:
        process.kill()
        process.wait()


def judge(events: list[Event], services: set[str], last_test: float) -> list[str]:
    """Return what is wrong with a run that should have had one container for each of `services`.

    last_test: when its last test ended, seconds since the epoch.
    """
    complaints = []
    for service in sorted(services):
        created = [e for e in events if e.service == service and e.action == "create"]
        if len(created) != 1:
            complaints.append(f"{service}: {len(created)} containers")
    for container in {event.container for event in events}:
        mine = [event for event in events if event.container == container]
        actions = [event.action for event in mine]
        name = f"{mine[0].service} {container[:12]}"
        if actions.count("start") != 1 or "restart" in actions:
            complaints.append(f"{name}: started {actions.count('start')} times")
        if "destroy" not in actions:
            complaints.append(f"{name}: not removed")
        if any(e.action in ("kill", "die", "stop", "destroy") and e.at < last_test for e in mine):
            complaints.append(f"{name}: removed before the last test")
    extra = {event.service for event in events} - services
    return complaints + [f"{service}: not asked for" for service in sorted(extra)]


def _event(data: dict[str, object]) -> Event:
    actor = data["Actor"]
    assert isinstance(actor, dict)
    marks = actor["Attributes"]
    return Event(
        action=str(data["Action"]),
        container=str(actor["ID"]),
        service=marks.get(labels.SERVER, ""),
        run=marks.get(labels.RUN, ""),
        at=int(str(data["timeNano"])) / 1e9,
        name=marks.get("name", ""),
    )
