"""The warm images on a daemon: found, listed, removed, kept within bounds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflo_testkit.runtime import images, labels
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import REPOSITORY, Warm, tag_of
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import docker

MAX_SIZE = 3_000_000_000
"""Bytes of all warm images together, without what they share with the images below them."""
MAX_AGE = 14 * 24 * 3600.0
"""Seconds since an image was last used."""


@dataclass(frozen=True, slots=True)
class WarmImage:
    """One warm image on the daemon.

    key: its tag; "" for one that has lost it, or never got it. base, reference: content id and
    name of what it was made from. server, kit: for which server and by which version. size:
    bytes that it adds to its base. used: when it was last used or made, seconds since the epoch.
    password: "known" here, "unknown" (then each start sets a new one), or "none".
    """

    id: str
    key: str
    base: str
    reference: str
    server: str
    kit: str
    size: int
    used: float
    password: str

    @property
    def age(self) -> float:
        """Seconds since its last use."""
        return max(0.0, clock.wall() - self.used)


def find(client: docker.DockerClient, key: str) -> str:
    """Return the content id of the warm image `key`, "" if there is none. One call."""
    found = images.inspect(client, tag_of(key))
    return str(found["Id"]) if found is not None else ""


def every(client: docker.DockerClient, notes: Notes) -> list[WarmImage]:
    """Return all of them, those without a name too, last used first."""
    found = client.api.images(filters={"label": [labels.WARM]})
    sizes = {str(each["Id"]): int(each["Size"]) for each in client.api.images()}
    stock = [_image(each, sizes, notes) for each in found]
    return sorted(stock, key=lambda image: image.used, reverse=True)


def remove(client: docker.DockerClient, notes: Notes, image: WarmImage) -> str:
    """Remove an image and what is noted of it; return what Docker objected, "" if nothing.

    One from which a container was started stays: Docker refuses.
    """
    from docker.errors import APIError, ImageNotFound

    try:
        client.api.remove_image(tag_of(image.key) if image.key else image.id)
    except ImageNotFound:
        pass
    except APIError as error:
        return str(error.explanation or error)
    notes.forget(image.id)
    return ""


def prune(
    client: docker.DockerClient,
    notes: Notes,
    *,
    max_size: float = MAX_SIZE,
    max_age: float = MAX_AGE,
) -> list[WarmImage]:
    """Remove what is unused for `max_age`, then the least used until `max_size` is kept.

    Images without a name go unless somebody is at work on them. Returns what went.
    """
    making = _being_made(client)
    gone, total = [], 0
    for image in every(client, notes):  # last used first
        if image.id in making:
            continue
        is_over = not image.key or image.age > max_age or total + image.size > max_size
        if is_over and not remove(client, notes, image):
            gone.append(image)
        else:
            total += image.size
    return gone


def discard(client: docker.DockerClient, notes: Notes, warm: Warm) -> None:
    """Take an image out of use that serves badly; what still runs from it goes on."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.api.remove_image(warm.tag, force=True)
    notes.forget(warm.id)


def _being_made(client: docker.DockerClient) -> set[str]:
    """Return the images from which containers were started, such as one that is checked now."""
    found = client.api.containers(all=True, filters={"label": [labels.WARM]})
    return {str(each["ImageID"]) for each in found}


def _image(found: Mapping[str, Any], sizes: Mapping[str, int], notes: Notes) -> WarmImage:
    marks, identity = found["Labels"], str(found["Id"])
    tags = [tag for tag in found["RepoTags"] or () if tag.startswith(f"{REPOSITORY}:")]
    return WarmImage(
        id=identity,
        key=tags[0].rpartition(":")[2] if tags else "",
        base=marks.get(labels.BASE, ""),
        reference=marks.get(f"{labels.WARM}.of", ""),
        server=marks.get(f"{labels.WARM}.server", ""),
        kit=marks.get(f"{labels.WARM}.kit", ""),
        size=max(0, int(found["Size"]) - sizes.get(marks.get(labels.BASE, ""), 0)),
        used=notes.used(identity) or float(found["Created"]),
        password=_password(identity, marks, notes),
    )


def _password(image: str, marks: Mapping[str, str], notes: Notes) -> str:
    if marks.get(f"{labels.WARM}.password") == "none":
        return "none"
    return "known" if notes.password(image) is not None else "unknown"
