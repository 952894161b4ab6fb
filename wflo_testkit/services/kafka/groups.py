"""Consumers that a test left in its groups: found, described, put out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.kafka.admin import TIMEOUT, Admin
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

GRACE = 0.5
"""Seconds for consumers that are leaving by themselves; a busy machine passes that on late."""
_OVER = ("Empty", "Dead")


def put_out(
    admin: Admin, stem: str, is_ours: Callable[[str], bool] | None = None, grace: float = GRACE
) -> list[str]:
    """Remove the members of every group under `stem`; return a sentence for each.

    A consumer that goes on polling joins again: nothing can end it from outside its process.
    is_ours: says of which of them, by their names. grace: seconds for those that are leaving.
    """
    busy: list[str] = []
    chosen = is_ours or (lambda name: name.startswith(stem))

    def nobody() -> bool:
        busy[:] = [g["group_id"] for g in those(admin, chosen) if g.get("group_state") not in _OVER]
        return not busy

    with contextlib.suppress(WaitTimeout):
        wait_until(nobody, timeout=grace, poll=0.01, catch=())
    return [sentence for group in busy for sentence in _emptied(admin, stem, group)]


def those(admin: Admin, is_ours: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Return the groups whose names are ours."""
    groups = admin.ask("could not list groups", _all)
    return [group for group in groups if is_ours(group["group_id"])]


def delete(admin: Admin, groups: list[str]) -> None:
    """Delete groups with their offsets; those with members stay."""
    if groups:
        admin.ask("could not delete groups", lambda client: client.delete_groups(groups))


def _all(client: KafkaAdminClient) -> list[dict[str, Any]]:
    """Return all groups; a broker that is just making its topic of groups says so, for a moment."""
    from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError

    def answer() -> tuple[list[dict[str, Any]]]:
        return (client.list_groups(),)  # something true, whatever is in the list

    passing = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError)
    found = wait_until(answer, timeout=TIMEOUT, poll=0.02, describe="list of groups", catch=passing)
    return found[0]


def _emptied(admin: Admin, stem: str, group: str) -> list[str]:
    told = admin.ask("could not describe a group", lambda client: client.describe_groups([group]))
    members = list(told[group].get("members") or ())
    if members:
        admin.ask("could not empty a group", lambda client: _remove(client, group, members))
    # Members of the newer group protocols (KIP-848) are not described by this request.
    names = [f" (client {each['client_id']!r})" for each in members] or [""]
    base = group.removeprefix(stem)
    return [f"a consumer{name} was left open in the group {base!r}" for name in names]


def _remove(client: KafkaAdminClient, group: str, members: list[dict[str, Any]]) -> None:
    from kafka.admin import MemberToRemove

    client.remove_group_members(
        group,
        [
            MemberToRemove(each["member_id"], each.get("group_instance_id"), "the test ended")
            for each in members
        ],
    )
