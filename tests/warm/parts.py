"""What the tests of warm images share: makers that can be killed, a look at what is there."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from wflo_testkit.runtime import labels
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.runtime.warm.warm_images import WarmImage
from wflo_testkit.wait import wait_until

MAKER = """
import json, sys
from pathlib import Path
from wflo_testkit.runtime import daemon
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm import making, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order

told, folder, moment = sys.argv[1:]

def halt(*_args, **_kwargs):
    print("halted", flush=True)
    sys.stdin.read()

def look(client, order, settled=work._is_settled):
    if not look.said:
        print("waiting", flush=True)
        look.said = True
    return settled(client, order)

look.said = False
work._is_settled = look
if moment == "working":
    making._await_end = halt
elif moment == "committed":
    making._check = halt
elif moment == "checked":
    Notes.made = halt

making.SHARES = 1024  # behind the other tests of a busy machine it would take minutes
client = daemon.connect().client
image, is_new = work.get(client, Order(**json.loads(told)), Notes(UserFolder(Path(folder))))
print(json.dumps([image, is_new]), flush=True)
client.close()
"""
"""Makes an image and says so; says when it waits for another; halts for good at `moment`."""


class Processes:
    """Processes that each make one image."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._all: list[subprocess.Popen[str]] = []

    def begin(self, order: Order, notes: Notes, moment: str = "") -> subprocess.Popen[str]:
        told = json.dumps(asdict(order))
        process = subprocess.Popen(
            [sys.executable, "-c", MAKER, told, str(notes.home.folder), moment],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._root,
        )
        self._all.append(process)
        return process

    def close(self) -> None:
        for process in self._all:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def made(process: subprocess.Popen[str]) -> tuple[str, bool]:
    """Return the image that a maker tells of, and whether it has made it."""
    while not (line := said(process)).startswith("["):
        assert line, "the maker died"
    image, is_new = json.loads(line)
    return image, is_new


def images_of(client: docker.DockerClient, key: str) -> list[dict[str, Any]]:
    """Return what the daemon says of the images of `key`, those without a name too."""
    found: list[dict[str, Any]] = client.api.images(filters={"label": [f"{labels.WARM}={key}"]})
    return found


def makers_of(client: docker.DockerClient, key: str) -> list[str]:
    """Return the ids of the containers in which `key` is being made or checked."""
    wanted = {"label": [f"{labels.WARM}={key}", f"{labels.KIT}=maker"]}
    return [str(each["Id"]) for each in client.api.containers(all=True, filters=wanted)]


def give(client: docker.DockerClient, order: Order, path: str, *, after: str = "") -> None:
    """Put an empty file into the container in which `order` is made, once that is running.

    after: id of a container of the same name, which has to go first.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(path.lstrip("/")))

    def put() -> bool:
        found = client.api.inspect_container(order.container)
        if found["Id"] == after or not found["State"]["Running"]:
            return False
        return bool(client.api.put_archive(found["Id"], "/", buffer.getvalue()))

    wait_until(put, timeout=60, describe=f"{order.container} to run")


def of(order: Order) -> Callable[[WarmImage], bool]:
    """Return what tells the images of one test from those of others on this machine."""
    return lambda image: image.key == order.key


def remove_all_of(client: docker.DockerClient, kit: str) -> None:
    """Remove the images of a version and the containers that come from them."""
    wanted = {"label": [f"{labels.WARM}.kit={kit}"]}
    for image in client.api.images(filters=wanted):
        key = image["Labels"][labels.WARM]
        for container in client.api.containers(
            all=True, filters={"label": [f"{labels.WARM}={key}"]}
        ):
            client.api.remove_container(container["Id"], force=True, v=True)
        for name in image["RepoTags"] or [image["Id"]]:
            with contextlib.suppress(APIError):
                client.api.remove_image(image["Id"] if "<none>" in name else name, force=True)
