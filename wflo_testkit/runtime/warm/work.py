"""Works orders off, one after the other, in agreement with whoever works on the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from wflo_testkit.runtime.warm import makers, making, warm_images
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import Deadline, WaitTimeout, wait_until

if TYPE_CHECKING:
    import docker


def work_off(client: docker.DockerClient, orders: Iterable[Order], notes: Notes) -> None:
    """Make what is not there yet, then keep the stock within bounds. Failures are written down.

    Bounded is what this user has used: when others have used theirs is not known here.
    """
    for order in orders:
        try:
            get(client, order, notes)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next order may succeed
            with contextlib.suppress(OSError):
                notes.failed(order.key, order.name, str(error))
    warm_images.prune(
        client, notes, among=lambda each: not each.is_named or notes.used(each.id) > 0
    )
    notes.forget_unused(2 * warm_images.MAX_AGE)


def get(client: docker.DockerClient, order: Order, notes: Notes) -> tuple[str, bool]:
    """Return the id of the image of `order`, and whether this process has made it.

    If another one is making it, wait for that; if that one dies, or fails, make it here. An image
    of that name that holds settings of somebody's machine gives way to the new one.
    Raises MakingFailed, docker's errors, OSError.
    """
    deadline = Deadline(2 * (order.limit + makers.SLACK + makers.ORPHAN_LIMIT))
    while True:
        if image := warm_images.find(client, order.key):
            return image, False
        try:
            return making.make(client, order, notes), True
        except making.Taken:
            if deadline.passed:
                raise _too_long(
                    order, deadline, "its container was taken away again and again"
                ) from None
            try:
                wait_until(
                    lambda: _is_settled(client, order), timeout=deadline.left, poll=0.2, catch=()
                )
            except WaitTimeout:
                raise _too_long(order, deadline, "another process is still making it") from None


def _too_long(order: Order, deadline: Deadline, cause: str) -> making.MakingFailed:
    return making.MakingFailed(
        f"the warm image of {order.name} could not be made in {deadline.seconds:g} s",
        cause=cause,
        looked_at=f"container {order.container}",
        fix=f"`docker rm -f {order.container}` if nobody is at work there",
    )


def _is_settled(client: docker.DockerClient, order: Order) -> bool:
    """Tell whether nobody is at work any more; a container that is nobody's is removed."""
    from docker.errors import NotFound

    try:
        found: dict[str, Any] = client.api.inspect_container(order.container)
    except NotFound:
        return True
    now = makers.time_of_daemon(client)
    if makers.is_maker(found, order.key) and makers.is_nobodys(found, order.limit, now):
        makers.remove(client, found["Id"])
    return False
