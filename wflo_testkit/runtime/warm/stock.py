"""The warm images on a daemon: found, listed, removed, kept within bounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflo_testkit.runtime import images, labels
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Warm, tag_of
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import docker

MAKER = "maker"
"""The kind of a container in which an image is made or checked, as labels.KIT says it."""
MAX_SIZE = 3_000_000_000
"""Bytes of all warm images together, without what they share with the images below them."""
MAX_AGE = 14 * 24 * 3600.0
"""Seconds since an image was last used."""


@dataclass(frozen=True, slots=True)
class WarmImage:
    """One warm image on the daemon.

    is_named: whether it has its name; one that has not is not whole, or was taken out of use.
    base, reference: content id and name of what it was made from. server, kit: for which server
    and by which version. content: fingerprint of what tests begin from, if that is inside.
    size: bytes that it adds to its base. used: when it was last used or made, seconds since the
    epoch.
    password: "known" here, "unknown" (then each start sets a new one), or "none".
    """

    id: str
    key: str
    is_named: bool
    base: str
    reference: str
    server: str
    kit: str
    content: str
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
        client.api.remove_image(tag_of(image.key) if image.is_named else image.id)
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
    among: Callable[[WarmImage], bool] = lambda _image: True,
) -> list[WarmImage]:
    """Remove what is too old or too much, see `surplus`, and return what went.

    What somebody is at work on stays, and what Docker has containers of. among: says which count
    at all.
    """
    making = _being_made(client)
    found = [each for each in every(client, notes) if each.key not in making and among(each)]
    return [
        image for image in surplus(found, max_size, max_age) if not remove(client, notes, image)
    ]


def surplus(stock: Sequence[WarmImage], max_size: float, max_age: float) -> list[WarmImage]:
    """Return the images without a name, those unused for `max_age` seconds, and of the others the
    least used, until no more than `max_size` bytes are left.

    stock: last used first.
    """
    over, total = [], 0
    for image in stock:
        if not image.is_named or image.age > max_age or total + image.size > max_size:
            over.append(image)
        else:
            total += image.size
    return over


def discard(client: docker.DockerClient, notes: Notes, warm: Warm) -> None:
    """Take an image out of use that serves badly; what still runs from it goes on."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.api.remove_image(warm.tag, force=True)
    notes.forget(warm.id)


def _being_made(client: docker.DockerClient) -> set[str]:
    """Return the keys at which somebody is at work, or was when it died."""
    wanted = {"label": [labels.WARM, f"{labels.KIT}={MAKER}"]}
    found = client.api.containers(all=True, filters=wanted)
    return {str(each["Labels"][labels.WARM]) for each in found}


def _image(found: Mapping[str, Any], sizes: Mapping[str, int], notes: Notes) -> WarmImage:
    marks, identity = found["Labels"], str(found["Id"])
    key = marks[labels.WARM]
    return WarmImage(
        id=identity,
        key=key,
        is_named=tag_of(key) in (found["RepoTags"] or ()),
        base=marks.get(labels.BASE, ""),
        reference=marks.get(f"{labels.WARM}.of", ""),
        server=marks.get(f"{labels.WARM}.server", ""),
        kit=marks.get(f"{labels.WARM}.kit", ""),
        content=marks.get(f"{labels.WARM}.content", ""),
        size=max(0, int(found["Size"]) - sizes.get(marks.get(labels.BASE, ""), 0)),
        used=notes.used(identity) or float(found["Created"]),
        password=_password(identity, marks, notes),
    )


def _password(image: str, marks: Mapping[str, str], notes: Notes) -> str:
    if marks.get(f"{labels.WARM}.password") == "none":
        return "none"
    return "known" if notes.password(image) is not None else "unknown"
