"""Finds what carries the kit's labels on the daemon, and removes it; dead runs' beside a run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from wflo_testkit.runtime import labels
from wflo_testkit.wait import Deadline

START_LIMIT = 8.0
"""Seconds in which this run's servers have the daemon to themselves."""
CLEARING_LIMIT = 15.0
"""Seconds that a start waits for stopped leftovers to go; on an idle machine they take one."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something on the daemon that carries the kit's label.

    kind: what Docker calls it; delete: deletes it, raising docker's APIError.
    running: whether it is a container that is not stopped.
    """

    kind: str
    name: str
    labels: dict[str, str]
    delete: Callable[[], object]
    running: bool = False

    @property
    def hindrance(self) -> str:
        """Why it should stay, "" if nothing speaks against its removal.

        Its maker may still be running; but an image outlives every run on purpose, and what is
        kept for reuse its maker: there it counts whether a run uses it.
        """
        if labels.HOME in self.labels:
            from wflo_testkit.runtime.reuse import kept  # only when there is such a thing

            return kept.hindrance(self.labels)
        if self.kind == "image" or labels.owner_is_dead(self.labels.get(labels.OWNER, "")):
            return ""
        return "its maker may still be running"

    def remove(self) -> str:
        """Remove it; returns what Docker objected, or "" (gone or going already is fine)."""
        from docker.errors import APIError, NotFound

        try:
            self.delete()
        except NotFound:
            return ""
        except APIError as error:
            if self.kind == "container" and error.status_code == 409:  # its removal is under way
                return ""
            return str(error.explanation or error)
        return ""

    def __str__(self) -> str:
        run = self.labels.get(labels.RUN)
        return f"{self.kind} {self.name}" + (f" of run {run}" if run else "")


def things(api: Any, *wanted: str, images: bool = False) -> Iterator[Thing]:
    """Yield what carries every label in `wanted`, in the order in which it can be removed.

    api: docker-py's low-level client. wanted: `key` or `key=value`.
    """
    filters = {"label": list(wanted)}
    yield from _containers(api, filters)
    for each in api.networks(filters=filters):
        yield _thing("network", each["Name"], each, partial(api.remove_network, each["Id"]))
    for each in api.volumes(filters=filters)["Volumes"] or []:
        yield _thing("volume", each["Name"], each, partial(api.remove_volume, each["Name"]))
    if images:
        for each in api.images(filters=filters):
            tags = [tag for tag in each["RepoTags"] or [] if not tag.startswith("<none>")]
            for name in tags or [each["Id"]]:
                yield _thing("image", name, each, partial(api.remove_image, name))


def of_dead_runs(api: Any) -> list[Thing]:
    """Return what should have gone with a run whose process is proven dead.

    What is kept on purpose carries no run's label. A reaper that runs is about to do its work,
    and then goes by itself.
    """
    return [thing for thing in things(api, labels.KIT) if _is_of_dead_run(thing)]


def stopped(api: Any) -> list[Thing]:
    """Return the containers among `of_dead_runs` that do not run, in one call to the daemon."""
    found = _containers(api, {"label": [labels.KIT]})
    return [thing for thing in found if not thing.running and _is_of_dead_run(thing)]


def remove_run(api: Any, run: str) -> bool:
    """Remove what `run` made; True when nothing was there (any more)."""
    found = list(things(api, f"{labels.RUN}={run}"))
    remove_all(found)
    return not found


def remove_all(found: Iterable[Thing], *, running: bool = True) -> None:
    """Remove each kind side by side, one kind after the other; a later look tells what stayed.

    running: whether containers that run go too.
    """
    chosen = (thing for thing in found if running or not thing.running)
    for _, group in groupby(chosen, key=lambda thing: thing.kind):
        # Daemon threads: one that waits for a lost daemon must not hold the process back.
        threads = [threading.Thread(target=_quietly, args=(t,), daemon=True) for t in group]
        for thread in threads:
            thread.start()
        patience = Deadline(30)
        for thread in threads:
            thread.join(patience.left)


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
            if stopped(self._api):
                remove_all(of_dead_runs(self._api), running=False)
        self._cleared.set()
        self._is_ending.wait(START_LIMIT)
        with contextlib.suppress(Exception):
            remove_all(of_dead_runs(self._api))


def _quietly(thing: Thing) -> None:
    with contextlib.suppress(Exception):
        thing.remove()


def _containers(api: Any, filters: dict[str, Any]) -> Iterator[Thing]:
    """Yield containers, the reapers last: until then they cover for us if we are killed."""
    found = api.containers(all=True, filters=filters)
    for each in sorted(found, key=lambda each: _kind(each["Labels"]) == "reaper"):
        name = each["Names"][0].lstrip("/") if each["Names"] else each["Id"][:12]
        delete = partial(api.remove_container, each["Id"], v=True, force=True)
        running = each["State"] in ("running", "restarting", "paused")
        yield _thing("container", name, each, delete, running=running)


def _thing(
    kind: str,
    name: str,
    found: dict[str, Any],
    delete: Callable[[], object],
    *,
    running: bool = False,
) -> Thing:
    return Thing(kind, name, dict(found["Labels"] or {}), delete, running)


def _is_of_dead_run(thing: Thing) -> bool:
    kind = _kind(thing.labels)
    is_loose = kind == "maker" or (kind == "reaper" and not thing.running)
    return (labels.RUN in thing.labels or is_loose) and not thing.hindrance


def _kind(found: dict[str, str]) -> str:
    return found.get(labels.KIT, "")
