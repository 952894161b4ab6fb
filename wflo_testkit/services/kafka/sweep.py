"""Deletes what runs that are over have left on a cluster that outlived them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wflo_testkit.model import Server
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
            janitor.sweep(run_stem(run))
            yield
    finally:
        admin.close()
