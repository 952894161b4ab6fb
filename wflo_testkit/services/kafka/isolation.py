"""Leases on one Kafka cluster: names of their own, topics made ahead, groups emptied."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from wflo_testkit.errors import IsolationFailed, TestkitError
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Json, Server
from wflo_testkit.reset import VERB
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.kafka import groups
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.services.kafka.janitor import Janitor
from wflo_testkit.services.kafka.names import lease_stem, pooled_stem, under
from wflo_testkit.services.kafka.pool import Pool
from wflo_testkit.services.kafka.resetting import begin_anew
from wflo_testkit.services.kafka.server import KafkaServer
from wflo_testkit.services.kafka.sweep import abandoned, sweep
from wflo_testkit.services.kafka.warm import warm_up


class KafkaIsolation:
    """The isolation of one cluster; lives in the broker's process, used by several threads.

    A lease's data say what its names begin with; its notes, which topics were made for it, and how,
    and whether it was given names that a consumer group may have.
    """

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, KafkaServer)
        self._server = server
        self._run = run
        self._admin = Admin(server)
        self._janitor = Janitor(self._admin)
        self._pool = Pool(
            lambda names: self._admin.create({name: {"num_partitions": 1} for name in names}),
            partial(pooled_stem, run),
        )
        self._warm: threading.Thread | None = None
        if not server.is_external:
            self._warm = threading.Thread(target=self._warm_up, name="wflo-warm-up", daemon=True)
            self._warm.start()

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return what the lease's names begin with. Raises IsolationFailed, MissingExtra."""
        self._admin.connect()
        on_theirs = self._server.is_external  # on somebody else's cluster nothing is made ahead
        return {"stem": lease_stem(self._run, request.id) if on_theirs else self._pool.take().text}

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built."""

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Json]) -> Json:
        """`create`: name (a base), partitions, configs (str -> str); returns the topic's name.

        `told`: notes that the test got a name which a consumer group may have.
        `reset`: makes its topics anew; returns a sentence per consumer.
        """
        if verb == VERB:
            return self._reset(lease)
        if verb not in ("create", "told"):
            raise IsolationFailed(f"Kafka topics know no {verb!r}", fix="use `create`")
        if verb == "told":
            lease.notes["told"] = True
            return None
        return self._create(lease, args["name"], args["partitions"], args["configs"])

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        """Empty the lease's groups and forget its topics; returns a sentence per consumer."""
        stem = lease.data["stem"]
        self._pool.forget(stem)
        leftovers = groups.put_out(self._admin, stem) if "told" in lease.notes else []
        if not keep:
            self._janitor.ended(stem)
        return leftovers

    def close(self, kept: Sequence[HeldLease] = ()) -> None:
        """Drop the connection; on a cluster that outlives the run first remove what it made.

        What is kept for people to look at stays on a shared one until another run sweeps it.
        Raises IsolationFailed.
        """
        self._pool.close()
        self._janitor.close()
        if self._warm is not None:
            self._warm.join(timeout=20)
        try:
            if self._server.is_shared or self._server.is_external:
                stay = tuple(lease.data["stem"] for lease in kept if self._server.is_shared)
                self._janitor.sweep(self._run, but=stay)
        finally:
            self._admin.close()

    def sweep(self, runs: Sequence[str]) -> Iterator[None]:
        """Delete what `runs` have left there. Raises IsolationFailed."""
        return sweep(self._server, runs)

    def abandoned(self) -> set[str]:
        """Return the dated runs that have something there."""
        return abandoned(self._server)

    def _create(
        self, lease: HeldLease, base: str, partitions: int, configs: Mapping[str, str]
    ) -> str:
        """Make a topic: one of the pool, or `base` under the stem, numbered from the second on."""
        stem = lease.data["stem"]
        made = lease.notes.setdefault("made", {})
        options = {"num_partitions": partitions, "configs": dict(configs)}
        if partitions == 1 and not configs and not self._server.is_external:
            topic = self._pool.topic(stem, base)
        else:
            topic, number = under(stem, base), 1
            while topic in made:
                number += 1
                topic = under(stem, f"{base}-{number}")
            self._admin.create({topic: options})
        made[topic] = options
        return topic

    def _reset(self, lease: HeldLease) -> list[str]:
        """Replace the topics that were made for a lease; delete its groups and all others."""
        stem, made = lease.data["stem"], lease.notes.get("made", {})
        unseen = [] if self._server.is_external else self._pool.unseen(stem)
        left = begin_anew(self._admin, stem, made, unseen)
        lease.notes["told"] = True  # a group with this name may be there, whoever named it
        return left

    def _warm_up(self) -> None:
        # Nobody waits for it, and whoever needs the same later meets the same error.
        with contextlib.suppress(TestkitError):
            self._pool.fill()
            warm_up(self._admin)
