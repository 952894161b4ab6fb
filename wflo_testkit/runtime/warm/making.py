"""Makes a warm image: in a container of its own, stopped cleanly, committed, checked, named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import images, labels
from wflo_testkit.runtime.inputs import archive
from wflo_testkit.runtime.running import STOPPED
from wflo_testkit.runtime.warm import warm_images
from wflo_testkit.runtime.warm.makers import CHECK_LIMIT, ENDED, MAKER, SLACK, limited
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import REPOSITORY, Order, Warm, tag_of
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

SCRIPT = "/tmp/wflo-make.sh"  # noqa: S108 - in the container
LATE = 124
"""What `timeout` exits with when it has ended its command (timeout(1))."""
SHARES = 256
"""Weight against other containers, whose default is 1024: tests go first."""


class MakingFailed(TestkitError):
    """A warm image could not be made; servers start without it."""


class Taken(Exception):
    """Another process is making the same image: the container's name says so, or it is gone."""


def make(client: docker.DockerClient, order: Order, notes: Notes) -> str:
    """Make the image of `order` and return its content id.

    The name comes last, when the image is whole, checked and written down: whoever dies before
    that leaves nothing that is ever used. Raises Taken, MakingFailed, docker's errors, OSError.
    """
    from docker.errors import NotFound

    command = ["sh", SCRIPT]  # in a file: the image's history shows the command
    # The container keeps others from making the same until the image has its name.
    with _container(
        client, order.key, order.limit, order.base, command, name=order.container
    ) as container:
        try:
            container.put_archive("/", archive({SCRIPT: order.script, **order.files}))
            container.start()
            _await_end(container, order, order.limit + SLACK)
            return _keep(client, order, notes, _commit(client, container, order))
        except NotFound:  # another process took this one for dead
            raise Taken(order.container) from None


def _keep(client: docker.DockerClient, order: Order, notes: Notes, image: str) -> str:
    """Check an image, write it down and name it, all or nothing; return its id.

    One of that name which is of no use goes. Raises Taken if there is a good one meanwhile.
    """
    from docker.errors import APIError

    try:
        _check(client, order, image)
        if warm_images.find(client, order.key):
            raise Taken(order.container)
        bad = images.inspect(client, tag_of(order.key))
        notes.made(image, order.key, order.password)
        client.api.tag(image, REPOSITORY, order.key)
    except BaseException:
        notes.forget(image)
        with contextlib.suppress(APIError):  # what has no name is pruned
            client.api.remove_image(image)
        raise
    if bad is not None:
        notes.forget(bad["Id"])
        with contextlib.suppress(APIError):  # a container runs from it: it is pruned later
            client.api.remove_image(bad["Id"])
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


def fault(client: docker.DockerClient, warm: Warm) -> str:
    """Let an image that is in use check itself; return in one line what is wrong with it, "" if
    nothing is, or if it took too long to say so. Raises docker's errors.
    """
    command = ["sh", "-c", warm.check]
    with _container(client, warm.key, CHECK_LIMIT, warm.id, command) as container:
        container.start()
        try:
            code = _exit_code(container, CHECK_LIMIT + SLACK)
        except (WaitTimeout, Taken):
            return ""
        said = container.logs(tail=1).decode(errors="replace").strip()
    if code in (0, LATE, *STOPPED):
        return ""
    return f"its own check exited with code {code}" + (f" ({said})" if said else "")


@contextlib.contextmanager
def _container(
    client: docker.DockerClient,
    key: str,
    limit: float,
    image: str,
    command: list[str],
    name: str = "",
) -> Iterator[Container]:
    """Create a container for a command that ends, after `limit` seconds; it goes in any case.

    If its maker dies it ends by itself, and the next run's sweep finds it by its labels. It has
    no network, and no variables of ours, nor the proxy settings that Docker's clients add to them:
    a commit would copy them into the image.
    """
    from docker.errors import APIError

    try:
        container = client.containers.create(
            image,
            command=limited(command, limit),
            name=name or None,
            labels={**labels.of_kept(MAKER), labels.WARM: key},
            network_mode="none",
            hostname="localhost",  # Java looks its own name up
            cpu_shares=SHARES,
            use_config_proxy=False,
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
    """Return when the container has ended by itself, with 0. Raises MakingFailed, Taken."""
    try:
        code = _exit_code(container, limit)
    except WaitTimeout:
        raise _failed(order, f"not done after {limit:g} s", container) from None
    if code:
        raise _failed(order, f"exited with code {code}", container)


def _exit_code(container: Container, limit: float) -> int:
    """Return what the container has ended with. Raises WaitTimeout, Taken when it is gone."""
    from docker.errors import NotFound

    def ended() -> bool:
        """Look again; a container that is gone has ended, too."""
        try:
            container.reload()
        except NotFound:
            return True
        return container.status in ENDED

    wait_until(ended, timeout=limit, poll=0.1, describe="its end")
    if container.status not in ENDED:
        raise Taken(container.name)
    return int(container.attrs["State"]["ExitCode"])


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
    command = ["sh", "-c", order.check]
    with _container(client, order.key, order.limit, image, command) as container:
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
