"""Which image serves: the published one, the local stand-in, or the user's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from wflo_testkit import catalog
from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime import pull

if TYPE_CHECKING:
    import docker


log = logging.getLogger("wflo_testkit.broker.progress")
BUILT = "wflo-testkit/build"
"""The repository of what projects build for their tests."""
Look = Callable[[str], Mapping[str, Any] | None]
"""Returns what the daemon says of an image, or None if it does not have it."""


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """An image that is on the daemon now.

    reference: what to run. origin: "official", "local" (a stand-in built from containers/),
    "built" (by the project, for its tests) or "user" (not in the catalogue). id: the image's
    content id. reason: why this one, in words. architecture: as Docker names it, such as "amd64".
    """

    reference: str
    origin: str
    id: str
    reason: str
    architecture: str = ""


def resolve(
    client: docker.DockerClient, image: str, *, policy: str = "auto", pull: str = "missing"
) -> ResolvedImage:
    """Find what to run for `image`, a published name of the catalogue or any image of the user's.

    policy: "official" or "local" forces one; "auto" takes what is here, official first, and
    pulls the official image only when neither is. One call to the daemon when it is here.
    pull: "missing", or "always" or "never", whatever is here. Raises ImageUnavailable.
    """
    here = present(partial(inspect, client), image, policy=policy)
    if here is not None and (pull != "always" or here.origin == "local"):
        return here
    entry = catalog.find(image)
    if pull == "never":
        raise _unavailable(image, "its pull_policy is never", entry)
    if entry is None:
        return _pulled(client, image, "user")
    if image == entry.local or policy == "local":
        raise ImageUnavailable(
            f"local image {entry.local} is not on the daemon",
            fix=f"run `wflo-testkit images build {entry.name}`",
        )
    return _pulled(client, entry.official, "official", entry)


def present(look: Look, image: str, *, policy: str) -> ResolvedImage | None:
    """Find the same among what is on the daemon; None if there is nothing."""
    entry = catalog.find(image)
    if entry is None:
        origin = "built" if image.startswith(f"{BUILT}:") else "user"
        return _here(look, image, origin, "named by the test suite")
    if image == entry.local or policy == "local":
        return _here(look, entry.local, "local", "asked for")
    here = _here(look, entry.official, "official", "present on the daemon")
    if here is None and policy == "auto":
        here = _here(look, entry.local, "local", f"{entry.official} is not on the daemon")
    return here


def inspect(client: docker.DockerClient, reference: str) -> Mapping[str, Any] | None:
    """Return what the daemon says of an image, or None if it does not have it."""
    from docker.errors import ImageNotFound, NotFound

    try:
        answer: Mapping[str, Any] = client.api.inspect_image(reference)
    except (ImageNotFound, NotFound):
        return None
    return answer


def _here(look: Look, reference: str, origin: str, reason: str) -> ResolvedImage | None:
    answer = look(reference)
    if answer is None:
        return None
    architecture = str(answer.get("Architecture", ""))
    return ResolvedImage(reference, origin, str(answer["Id"]), reason, architecture)


def _pulled(
    client: docker.DockerClient, image: str, origin: str, entry: catalog.ImageEntry | None = None
) -> ResolvedImage:
    log.info("pull of %s", image)
    try:
        pull.pull(client, image)
    except pull.PullFailed as error:
        raise _unavailable(image, error, entry) from None
    resolved = _here(partial(inspect, client), image, origin, "pulled")
    if resolved is None:
        raise _unavailable(image, "it was pulled, and is gone again", entry)
    return resolved


def _unavailable(
    image: str, cause: BaseException | str, entry: catalog.ImageEntry | None
) -> ImageUnavailable:
    if entry is None:
        fix = f"check the name, log in to its registry, or `docker load` {image} from elsewhere"
    else:
        name = f" {entry.name}" if entry.role != "service" else ""
        fix = f"run `wflo-testkit images pull{name}`, which builds {entry.local} where none answers"
    return ImageUnavailable(
        f"image {image} is not on the daemon and could not be pulled",
        cause=str(cause),
        looked_at=image if entry is None else f"{entry.official}, {entry.local}",
        fix=fix,
    )
