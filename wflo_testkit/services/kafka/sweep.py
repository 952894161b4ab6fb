"""Deletes what runs that are over have left on a cluster that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Server
from wflo_testkit.services.kafka import groups
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.services.kafka.janitor import Janitor
from wflo_testkit.services.kafka.names import run_stem
from wflo_testkit.services.kafka.server import KafkaServer


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Delete the topics and groups of `runs`, one run between two yields.

    Raises IsolationFailed. Transactional ids cannot be deleted; Kafka forgets them after a week.
    """
    assert isinstance(server, KafkaServer)
    admin = Admin(server)
    try:
        janitor = Janitor(admin)
        for run in runs:
            stem = run_stem(run)
            groups.put_out(admin, stem)  # a killed consumer counts as a member for most of a minute
            janitor.sweep(stem)
            if left := groups.of_stems(admin, (stem,)):
                raise IsolationFailed(
                    f"{len(left)} groups are left on Kafka {server.name}",
                    cause=f"{left[0]['group_id']!r} still has members",
                )
            yield
    finally:
        admin.close()
