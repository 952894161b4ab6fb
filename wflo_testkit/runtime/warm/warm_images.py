"""The warm images on a daemon: found, listed, removed, kept within bounds, taken elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime import images, labels
from wflo_testkit.runtime.warm import makers
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Warm, tag_of
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import docker

MAX_SIZE = 3_000_000_000
"""Bytes of all warm images together, without what they share with the images below them."""
MAX_AGE = 14 * 24 * 3600.0
"""Seconds since an image was last used."""
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WarmImage:
    """One warm image on the daemon.

    is_named: whether it has its name; one that has not is not whole, or was taken out of use.
    base, reference: content id and name of what it was made from. server, kit: for which server
    and by which version. content: fingerprint of what tests begin from, if that is inside.
    size: bytes that it adds to its base. used: when it was last used or made, seconds since the
    epoch.
    password: "known" here, "unknown" (then each start sets a new one), or "none".
    has_proxies: whether the proxy settings of a machine are part of it, as older kits let happen;
    then it is not used.
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
    has_proxies: bool = False

    @property
    def is_good(self) -> bool:
        """Whether servers are started from it."""
        return self.is_named and not self.has_proxies

    @property
    def age(self) -> float:
        """Seconds since its last use."""
        return max(0.0, clock.wall() - self.used)


def find(client: docker.DockerClient, key: str) -> str:
    """Return the content id of the warm image `key`, "" if there is none of use. One call."""
    found = images.inspect(client, tag_of(key))
    return "" if found is None or _holds_proxies(client, found) else str(found["Id"])


def every(client: docker.DockerClient, notes: Notes) -> list[WarmImage]:
    """Return all of them, those without a name too, last used first."""
    found = client.api.images(filters={"label": [labels.WARM]})
    sizes = {str(each["Id"]): int(each["Size"]) for each in client.api.images()}
    stock = [_image(client, each, sizes, notes) for each in found]
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

    What somebody is at work on stays, and what Docker has containers of; those of makers that have
    been left behind go. among: says which count at all.
    """
    making = makers.busy(client)
    found = [each for each in every(client, notes) if each.key not in making and among(each)]
    return [
        image for image in surplus(found, max_size, max_age) if not remove(client, notes, image)
    ]


def surplus(stock: Sequence[WarmImage], max_size: float, max_age: float) -> list[WarmImage]:
    """Return the images of no use, those unused for `max_age` seconds, and of the others the least
    used, until no more than `max_size` bytes are left.

    stock: last used first.
    """
    over, total = [], 0
    for image in stock:
        if not image.is_good or image.age > max_age or total + image.size > max_size:
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


def save(client: docker.DockerClient, chosen: Sequence[WarmImage], path: Path) -> None:
    """Write images, and what they are made from, to a tar file that is there wholly or not at all.

    No password is part of it. Raises OSError, docker's errors.
    """
    names = sorted({name for image in chosen for name in (tag_of(image.key), image.reference)})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # docker-py's own method takes one name (docker-py 7.1, get_image); the API takes several.
    url = f"{client.api.base_url}/v{client.api.api_version}/images/get"
    try:
        # The file first: an image takes long to read, a folder that is not there shows at once.
        with (
            draft.open("wb") as file,
            client.api.get(url, params={"names": names}, stream=True) as answer,
        ):
            answer.raise_for_status()
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load(client: docker.DockerClient, path: Path) -> None:
    """Bring the images of a file of `save` onto the daemon. Raises ImageUnavailable, OSError."""
    with path.open("rb") as file:
        for event in client.api.load_image(file, quiet=True):
            if "error" in event:
                raise ImageUnavailable(
                    f"{path} could not be loaded", cause=str(event["error"]), looked_at=str(path)
                )


def _image(
    client: docker.DockerClient, found: Mapping[str, Any], sizes: Mapping[str, int], notes: Notes
) -> WarmImage:
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
        has_proxies=_holds_proxies(client, images.inspect(client, identity) or {}),
    )


def _holds_proxies(client: docker.DockerClient, found: Mapping[str, Any]) -> bool:
    """Say whether an image has proxy settings that are not those of the image below it.

    Docker's clients put theirs, passwords included, into the variables of each container (Docker
    manual, Configure the Docker CLI to use a proxy server), and a commit keeps them.
    """
    own = _proxies(found)
    base = (found.get("Config", {}).get("Labels") or {}).get(labels.BASE, "")
    below = images.inspect(client, base) if own and base else None
    return bool(own - _proxies(below or {}))


def _proxies(found: Mapping[str, Any]) -> set[str]:
    variables = found.get("Config", {}).get("Env") or []
    return {each for each in variables if each.partition("=")[0].lower().endswith("_proxy")}


def _password(image: str, marks: Mapping[str, str], notes: Notes) -> str:
    if marks.get(f"{labels.WARM}.password") == "none":
        return "none"
    return "known" if notes.password(image) is not None else "unknown"
