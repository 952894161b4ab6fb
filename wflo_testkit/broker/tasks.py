"""What only a process that runs tests can do for a server before anybody gets it.

A callable that fills it or tells whether it is ready lives there. The start waits; whoever asks
for the server next, or for one that needs it, is told to do it, and says when it is done.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Build, Json, Server

POLL = 0.5
"""Seconds between two looks at whether the run ends."""


@dataclass(slots=True, eq=False)
class Task:
    """One thing to do. what: a word of Spec.asked. told: what its doer has to know besides.

    doer: the owner who does it, "" for nobody. made: what came of it.
    """

    what: str
    server: Server
    told: Mapping[str, Json] = field(default_factory=dict)
    made: Json = None
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    doer: str = ""
    is_over: bool = False
    error: str | None = None


class Tasks:
    """The tasks of one run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: list[Task] = []
        self._is_closed = False

    def have_done(self, what: str, server: Server, **told: Json) -> Json:
        """Return what came of it; another does it when the one who does dies.

        told: see Task. Raises StartFailed.
        """
        task = Task(what, server, told)
        with self._changed:
            self._open.append(task)
            self._changed.notify_all()
            while not (task.is_over or self._is_closed):
                self._changed.wait(POLL)
            self._open.remove(task)
        if not task.is_over:
            raise StartFailed(f"{server.name} is not started any more: the run is ending")
        if task.error is not None:
            raise StartFailed(
                f"{server.name} is not ready: its `{what}` has failed",
                cause=task.error,
                looked_at=f"container {server.container_id[:12]}",
                fix=f"correct what `{what}` calls",
            )
        return task.made

    def result(self, ready: Future[Server], keys: Collection[str], owner: str) -> Server | Build:
        """Wait for a server, or for something that `owner` has to do first.

        keys: of the servers whose tasks are its business. Raises what the start raised.
        """
        ready.add_done_callback(self._notify)
        with self._changed:
            while not ready.done():
                if (task := self._next(keys)) is not None:
                    task.doer = owner
                    data = {"what": task.what, "server": task.server.to_json(), **task.told}
                    return Build(token=task.token, data=data)
                self._changed.wait()
        return ready.result()

    def finish(self, token: str, error: str | None, made: Json = None) -> bool:
        """End a task; says whether there was one of that token."""
        with self._changed:
            for task in self._open:
                if task.token == token:
                    task.is_over, task.error, task.made = True, error, made
                    self._changed.notify_all()
                    return True
        return False

    def drop_owner(self, owner: str) -> None:
        """Let others do what a dead process was doing."""
        with self._changed:
            for task in self._open:
                if task.doer == owner:
                    task.doer = ""
            self._changed.notify_all()

    def close(self) -> None:
        """Let every start that waits fail: the run is ending."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _next(self, keys: Collection[str]) -> Task | None:
        wanted = (each for each in self._open if not each.doer and each.server.key in keys)
        return next(wanted, None)

    def _notify(self, _ready: Future[Server]) -> None:
        with self._changed:
            self._changed.notify_all()
