"""Leases on one Kafka cluster: names of their own, topics made ahead, groups emptied."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from wflo_testkit.errors import IsolationFailed, TestkitError
from wflo_testkit.model import Json, Server
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.kafka import groups
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.services.kafka.janitor import Janitor
from wflo_testkit.services.kafka.names import lease_stem, pooled_stem, run_stem, under
from wflo_testkit.services.kafka.pool import Pool, Stem
from wflo_testkit.services.kafka.server import KafkaServer
from wflo_testkit.services.kafka.warm import warm_up


@dataclass(slots=True)
class Held:
    """One lease: what its names begin with, the topics that were made for it by name, and whether
    it was given names that a consumer group may have."""

    stem: Stem
    named: list[str] = field(default_factory=list)
    told: bool = False


class KafkaIsolation:
    """The isolation of one cluster; lives in the broker's process, used by several threads."""

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, KafkaServer)
        self._server = server
        self._run = run
        self._admin = Admin(server)
        self._janitor = Janitor(self._admin)
        self._pool = Pool(self._make_plain, partial(pooled_stem, run))
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._kept: list[Held] = []
        self._warm: threading.Thread | None = None
        if not server.is_external:
            self._warm = threading.Thread(target=self._warm_up, name="wflo-warm-up", daemon=True)
            self._warm.start()

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return what the lease's names begin with. Raises IsolationFailed, MissingExtra."""
        self._admin.connect()
        on_theirs = self._server.is_external  # on somebody else's cluster nothing is made ahead
        stem = Stem(lease_stem(self._run, request.id)) if on_theirs else self._pool.take()
        held = Held(stem)
        with self._lock:
            self._held[request.id] = held
        return {"stem": stem.text}

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built."""

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """`create`: name (a base), partitions, configs (str -> str); returns the topic's name.

        `told`: notes that the test got a name which a consumer group may have.
        """
        if verb not in ("create", "told"):
            raise IsolationFailed(f"Kafka topics know no {verb!r}", fix="use `create`")
        with self._lock:
            held = self._held[lease_id]
        if verb == "told":
            held.told = True
            return None
        return self._create(held, args["name"], args["partitions"], args["configs"])

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Empty the lease's groups and forget its topics; returns a sentence per consumer."""
        with self._lock:
            held = self._held.pop(lease_id, None)
        if held is None:
            return []
        leftovers = groups.put_out(self._admin, held.stem.text) if held.told else []
        if keep:
            self._kept.append(held)
        else:
            self._janitor.ended(held.stem.text)
        return leftovers

    def close(self) -> None:
        """Drop the connection; on a shared cluster first remove what this run made.

        What is kept for people to look at stays there until another run sweeps it; an external
        cluster is swept when the run signs out. Raises IsolationFailed.
        """
        self._pool.close()
        self._janitor.close()
        if self._warm is not None:
            self._warm.join(timeout=20)
        try:
            if self._server.is_shared:
                kept = tuple(held.stem.text for held in self._kept)
                self._janitor.sweep(run_stem(self._run), but=kept)
        finally:
            self._admin.close()

    def _create(self, held: Held, base: str, partitions: int, configs: Mapping[str, str]) -> str:
        if partitions == 1 and not configs and not self._server.is_external:
            return self._pool.topic(held.stem, base)
        topic = self._new_name(held, base)
        try:
            self._admin.create({topic: {"num_partitions": partitions, "configs": dict(configs)}})
        except BaseException:
            with self._lock:
                held.named.remove(topic)
            raise
        return topic

    def _new_name(self, held: Held, base: str) -> str:
        """Return `base` under the lease's stem, numbered from the second topic of that base on.

        It is the lease's from now on: threads of one test may ask at the same time.
        """
        with self._lock:
            name, number = under(held.stem.text, base), 1
            while name in held.named:
                number += 1
                name = under(held.stem.text, f"{base}-{number}")
            held.named.append(name)
        return name

    def _make_plain(self, names: list[str]) -> None:
        self._admin.create({name: {"num_partitions": 1} for name in names})

    def _warm_up(self) -> None:
        # Nobody waits for it, and whoever needs the same later meets the same error.
        with contextlib.suppress(TestkitError):
            self._pool.fill()
            warm_up(self._admin)
