"""Containers of the images under test, straight from docker-py: no part of the kit runs them.

WFLO_TEST_IMAGES=official|local selects the images; by default they are those that the kit would
run on this machine.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.images_at_hand import resolved
from wflo_testkit.runtime.images import ResolvedImage
from wflo_testkit.wait import wait_until

WHOLE = "this-is-all"
"""Ends what a script in a container prints."""


@dataclass(frozen=True)
class Box:
    """A running container of an image under test."""

    container: Container

    def port(self, inside: int) -> int:
        """The port on 127.0.0.1 that leads to `inside`."""
        self.container.reload()
        return int(self.container.ports[f"{inside}/tcp"][0]["HostPort"])

    def logs(self) -> str:
        return self.container.logs().decode(errors="replace")

    def sh(self, script: str, **options: Any) -> str:
        """Output of a shell script in the container, which it may run twice; it must exit 0.

        Docker loses output now and then, with exit code 0 (docker-py#2042): then it is asked again.
        """

        def whole() -> str:
            done = self.container.exec_run(["sh", "-c", f"({script}) && echo {WHOLE}"], **options)
            text = done.output.decode(errors="replace")
            assert done.exit_code == 0, text
            return text if f"{WHOLE}\n" in text else ""

        text = wait_until(whole, timeout=60, describe="output to its end")
        return text.replace(f"{WHOLE}\n", "").strip()

    def put(self, path: str, text: str | bytes, mode: int = 0o755) -> None:
        """Write a file into the container."""
        folder, _, name = path.rpartition("/")
        self.container.put_archive(folder, archive(name, text, mode))

    def wait_for_log(self, text: str, timeout: float = 30) -> None:
        """Wait until the log holds `text`; a container that exited ends the wait."""

        def exited() -> None:
            self.container.reload()
            assert self.container.status == "running" or text in self.logs(), self.logs()

        wait_until(lambda: text in self.logs(), timeout=timeout, describe=text, give_up=exited)

    def exit_code(self, timeout: float = 30) -> int:
        """Wait for the container's own end."""
        return int(self.container.wait(timeout=timeout)["StatusCode"])

    def terminate(self, timeout: int = 20) -> int:
        """Send the image's stop signal and return the exit code; 137 if it had to be killed."""
        self.container.stop(timeout=timeout)
        return self.exit_code()


def archive(name: str, text: str | bytes, mode: int) -> bytes:
    """Return a tar archive that holds one file."""
    content = text.encode() if isinstance(text, str) else text
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), mode
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The daemon."""
    client = docker.from_env(timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def image_of() -> Callable[[str], ResolvedImage]:
    """The image under test of a catalogue entry."""
    return resolved


@pytest.fixture
def create(
    client: docker.DockerClient, image_of: Callable[[str], ResolvedImage]
) -> Iterator[Callable[..., Box]]:
    """Create a container of a catalogue entry's image; it is removed with its volumes."""
    boxes: list[Box] = []

    def make(name: str, command: list[str] | None = None, **options: Any) -> Box:
        container = client.containers.create(image_of(name).reference, command, **options)
        boxes.append(Box(container))
        return boxes[-1]

    yield make
    for box in boxes:
        box.container.remove(force=True, v=True)


@pytest.fixture
def run(create: Callable[..., Box]) -> Callable[..., Box]:
    """Create and start; `ports` are published on free ports of 127.0.0.1."""

    def make(
        name: str, command: list[str] | None = None, ports: tuple[int, ...] = (), **options: Any
    ) -> Box:
        published = {f"{port}/tcp": ("127.0.0.1", None) for port in ports}
        box = create(name, command, ports=published, **options)
        box.container.start()
        return box

    return make
