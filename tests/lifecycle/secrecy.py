"""Looks for secrets in all that a run has printed, written, committed and listed as a process."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import docker

from wflo_testkit.wait import pause


def forms(secret: str) -> set[bytes]:
    """Return the ways in which a secret may be written: as it is, in a URL, in Basic's encoding."""
    basic = base64.b64encode(f"user:{secret}".encode())
    return {secret.encode(), quote(secret, safe="").encode(), basic}


def found_in(content: bytes, secrets: Iterable[str]) -> bool:
    return any(form in content for secret in secrets for form in forms(secret))


def in_files(folder: Path, secrets: Iterable[str], *, but: Iterable[Path] = ()) -> list[str]:
    """Return the files below `folder` that hold a secret; a record is allowed to, with mode 0600.

    but: folders that are not looked into.
    """
    wanted, left_out = list(secrets), list(but)
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(path.is_relative_to(other) for other in left_out):
            continue
        if found_in(path.read_bytes(), wanted) and not _is_record(path):
            found.append(str(path))
    return found


def _is_record(path: Path) -> bool:
    is_private = path.stat().st_mode & 0o777 == 0o600
    return is_private and path.suffix == ".json" and "wflo-testkit" in path.parts


def in_images(images: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Return the images whose configuration or history holds a secret."""
    wanted = list(secrets)
    client = docker.from_env()
    try:
        told = {
            image: f"{client.api.inspect_image(image)}{client.api.history(image)}"
            for image in images
        }
    finally:
        client.close()
    return [image for image, text in told.items() if found_in(text.encode(), wanted)]


@contextmanager
def watched_processes() -> Iterator[set[bytes]]:
    """Yield a set that gathers the command line of every process, looked at over and over."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # it has ended
                    seen.add(path.read_bytes())
            pause(0.02)

    watcher = threading.Thread(target=look, name="watched-processes", daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join(10)
