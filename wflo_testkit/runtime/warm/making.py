"""Makes a warm image: in a container of its own, stopped cleanly, committed, checked, named."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.containers import archive
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import REPOSITORY, Order
from wflo_testkit.runtime.warm.stock import MAKER
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

SCRIPT = "/tmp/wflo-make.sh"  # noqa: S108 - in the container
# `timeout` must not be the container's first process: busybox's signals the process that it was
# itself, which as the first is deaf to signals from its own container (pid_namespaces(7)); the one
# of coreutils 9.10 ends at once with 125. If nothing came after it, `sh` would give it its place.
_LIMITED = 'timeout "$@"; exit $?'
CHECK_LIMIT = 60.0
SHARES = 256
"""Weight against other containers, whose default is 1024: tests go first."""


class MakingFailed(TestkitError):
    """A warm image could not be made; servers start without it."""


class Taken(Exception):
    """Another process is making the same image: the container's name says so."""


def make(client: docker.DockerClient, order: Order, notes: Notes) -> str:
    """Make the image of `order` and return its content id.

    The name comes last, when the image is whole, checked and written down: whoever dies before
    that leaves nothing that is ever used. Raises Taken, MakingFailed, docker's errors, OSError.
    """
    command = ["sh", SCRIPT]  # in a file: the image's history shows the command
    # The container keeps others from making the same until the image has its name.
    with _container(client, order, order.base, command, name=order.container) as container:
        container.put_archive("/", archive({SCRIPT: order.script, **order.files}))
        container.start()
        _await_end(container, order, order.limit + 10)
        image = _commit(client, container, order)
        try:
            _check(client, order, image)
            notes.made(image, order.key, order.password)
            client.api.tag(image, REPOSITORY, order.key)
        except BaseException:
            notes.forget(image)
            client.api.remove_image(image)
            raise
    return image


def marks(order: Order) -> dict[str, str]:
    """Return the labels of the image, all of them; nothing about this machine or process."""
    return {
        labels.KIT: "image",
        labels.OWNER: "",
        labels.WARM: order.key,
        labels.BASE: order.base,
        f"{labels.WARM}.of": order.reference,
        f"{labels.WARM}.server": order.name,
        f"{labels.WARM}.kit": order.kit,
        f"{labels.WARM}.content": order.content,
        f"{labels.WARM}.password": "verifier" if order.password else "none",
    }


@contextlib.contextmanager
def _container(
    client: docker.DockerClient, order: Order, image: str, command: list[str], name: str = ""
) -> Iterator[Container]:
    """Create a container for a command that ends; it goes in any case.

    If its maker dies it ends by itself, and the next run's sweep finds it by its labels. It has
    no network, and no variables of ours: a commit would copy them into the image.
    """
    from docker.errors import APIError

    try:
        container = client.containers.create(
            image,
            command=["sh", "-c", _LIMITED, "sh", str(math.ceil(order.limit)), *command],
            name=name or None,
            labels={**labels.of_kept(MAKER), labels.WARM: order.key},
            network_mode="none",
            hostname="localhost",  # Java looks its own name up
            cpu_shares=SHARES,
        )
    except APIError as error:
        if error.status_code == 409 and name and name in str(error.explanation):
            raise Taken(name) from None
        raise
    try:
        yield container
    finally:
        with contextlib.suppress(APIError):  # gone, or going, already is fine
            container.remove(force=True, v=True)


def _await_end(container: Container, order: Order, limit: float) -> None:
    """Return when the container has ended by itself, with 0. Raises MakingFailed."""

    def ended() -> bool:
        container.reload()
        return bool(container.status in ("exited", "dead"))

    try:
        wait_until(ended, timeout=limit, poll=0.1, describe="its end")
    except WaitTimeout:
        raise _failed(order, f"not done after {limit:g} s", container) from None
    if code := container.attrs["State"]["ExitCode"]:
        raise _failed(order, f"exited with code {code}", container)


def _commit(client: docker.DockerClient, container: Container, order: Order) -> str:
    """Commit the stopped container, to be run like the image below it; return the image's id."""
    config = client.api.inspect_image(order.base)["Config"]
    # ENTRYPOINT first: it resets CMD.
    changes = [
        f"ENTRYPOINT {json.dumps(config.get('Entrypoint') or [])}",
        f"CMD {json.dumps(config.get('Cmd') or [])}",
        *(f'LABEL "{name}"="{text}"' for name, text in marks(order).items()),
    ]
    return str(client.api.commit(str(container.id), changes=changes)["Id"])


def _check(client: docker.DockerClient, order: Order, image: str) -> None:
    """Let the image itself tell whether what was committed can serve. Raises MakingFailed."""
    with _container(client, order, image, ["sh", "-c", order.check]) as container:
        container.start()
        _await_end(container, order, CHECK_LIMIT)


def _failed(order: Order, what: str, container: Container) -> MakingFailed:
    logs = container.logs(tail=20).decode(errors="replace").rstrip() or "(no output)"
    return MakingFailed(
        f"the warm image of {order.name} ({order.reference}) could not be made: {what}",
        cause=f"last log lines:\n{logs}",
        looked_at=f"container {order.container}",
        fix="servers start without it; `wflo-testkit images warm` tries again",
    )
