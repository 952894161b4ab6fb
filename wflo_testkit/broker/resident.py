"""The broker as the process that it lives in sees it, and as the forked children of that see it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wflo_testkit.broker.api import Ask, Broker
from wflo_testkit.broker.client import Client
from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Build, Grant, Json, Server, Spec
from wflo_testkit.runtime import forks

if TYPE_CHECKING:
    from wflo_testkit.broker.core import Core


class Resident:
    """A broker.api.Broker that is the broker itself, and in a forked child the way back to it.

    What a child inherits of the broker is a copy whose threads are gone and whose connections
    belong to the parent, so it asks over the socket as another owner: what it holds is given
    back when it ends, and what its parent holds stays.
    """

    def __init__(self, core: Core, name: str) -> None:
        self._core = core
        self._name = name
        self._way: Broker = core.owner(name)
        self._path = ""
        forks.before(self._open_the_door)
        forks.in_child(self._move_out)

    def server(self, spec: Spec) -> Server:
        return self._way.server(spec)

    def prefetch(self, spec: Spec) -> None:
        self._way.prefetch(spec)

    def discard(self, key: str) -> None:
        self._way.discard(key)

    def logs(self, key: str, since: float | None) -> str:
        return self._way.logs(key, since)

    def network(self, key: str) -> str:
        return self._way.network(key)

    def lease(self, ask: Ask) -> Grant | Build:
        return self._way.lease(ask)

    def withdraw(self, number: int) -> None:
        self._way.withdraw(number)

    def built(self, token: str, error: str | None) -> None:
        self._way.built(token, error)

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        return self._way.call(lease_id, verb, args)

    def release(self, lease_id: str, keep: bool) -> list[str]:
        return self._way.release(lease_id, keep)

    def summary(self) -> list[dict[str, Json]]:
        return self._way.summary()

    def close(self) -> None:
        self._way.close()

    def _open_the_door(self) -> None:
        with contextlib.suppress(TestkitError):  # a child that asks for something meets it
            self._path = self._path or self._core.listen()

    def _move_out(self) -> None:
        self._way = Client(self._path, f"{self._name}-{os.getpid()}")
