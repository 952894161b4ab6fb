"""Warm images as one file, for another machine or for the cache of a CI system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime.warm.order import tag_of
from wflo_testkit.runtime.warm.warm_images import WarmImage

if TYPE_CHECKING:
    import docker

CHUNK = 1 << 20


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
