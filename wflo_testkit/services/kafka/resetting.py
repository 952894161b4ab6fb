"""Makes the topics of a test anew, under their names, while it goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.kafka import groups
from wflo_testkit.services.kafka.admin import TIMEOUT, Admin
from wflo_testkit.wait import wait_until

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

_PLAIN = {"num_partitions": 1}


def begin_anew(
    admin: Admin, stem: str, made: Mapping[str, Mapping[str, Any]], unseen: Collection[str]
) -> list[str]:
    """Replace the topics in `made`; delete all else that begins with `stem`, groups included.

    What is deleted takes the offsets with it that were committed there; what is made has the
    partitions and settings of `Admin.create`, and begins at offset 0.
    unseen: topics that nobody has asked for; one that has a record all the same is replaced.
    Returns a sentence per consumer that was put out of its group. Raises IsolationFailed.
    """
    left = groups.put_out(admin, stem, grace=0)
    groups.delete(
        admin, [g["group_id"] for g in groups.those(admin, lambda name: name.startswith(stem))]
    )
    written = admin.ask("could not read offsets", lambda client: _written(client, unseen))
    again = {**made, **dict.fromkeys(written, _PLAIN)}
    spared = set(unseen) - written
    there = {name for name in admin.topics() if name.startswith(stem)} - spared
    admin.delete(there)
    if again:
        admin.create(again)
    if gone := there - again.keys():
        admin.ask("topics that were deleted are still there", lambda _c: _await_end(admin, gone))
    return left


def _await_end(admin: Admin, topics: Collection[str]) -> None:
    wait_until(
        lambda: not {*topics} & {*admin.topics()}, timeout=TIMEOUT, poll=0.005, describe="their end"
    )


def _written(client: KafkaAdminClient, topics: Collection[str]) -> set[str]:
    """Return those of these topics of one partition that have, or had, a record."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    asked = {TopicPartition(name, 0): OffsetSpec.LATEST for name in topics}
    ends = client.list_partition_offsets(asked) if asked else {}
    return {partition.topic for partition, end in ends.items() if end.offset > 0}
