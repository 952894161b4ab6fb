"""Deletes what other runs have left on a cluster that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.kafka import groups
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.services.kafka.janitor import Janitor
from wflo_testkit.services.kafka.names import MADE
from wflo_testkit.services.kafka.server import KafkaServer


def abandoned(server: KafkaServer) -> set[str]:
    """Return the dated runs that have topics or groups there; nothing tells who is connected."""
    with closing(Admin(server)) as admin:
        found = [each["group_id"] for each in groups.those(admin, lambda _name: True)]
        return MADE.runs([*admin.topics(), *found])


def sweep(server: KafkaServer, runs: Sequence[str]) -> Iterator[None]:
    """Delete the topics and groups of `runs`, one run between two yields.

    Raises IsolationFailed. Transactional ids cannot be deleted; Kafka forgets them after a week.
    """
    with closing(Admin(server)) as admin:
        for run in runs:
            is_ours = partial(MADE.is_of, run)
            # A killed consumer counts as a member for most of a minute.
            groups.put_out(admin, MADE.stem(run), is_ours)
            Janitor(admin).sweep(run)
            if left := groups.those(admin, is_ours):
                raise IsolationFailed(
                    f"{len(left)} groups of run {run} are left on Kafka {server.name}",
                    cause=f"{left[0]['group_id']!r} still has members",
                )
            yield
