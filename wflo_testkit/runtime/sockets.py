"""The Unix sockets of servers, where the daemon runs on this machine.

What the kit asks a server goes past Docker's proxy through them, which takes a quarter of the time
(measured: a round trip 0.03 against 0.14 ms and, on another server, 0.02 against 0.07) and little
of the processor. Tests are told addresses of TCP all the same: not every client reads a URL with
a socket in it.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import folders
from wflo_testkit.runtime.address import Endpoint

if TYPE_CHECKING:
    from docker.models.containers import Container

_FOR_ALL = 0o1777
_SELINUX = Path("/sys/fs/selinux/enforce")


class Sockets:
    """The folders of one run's servers. Safe to use from several threads.

    Only this user can enter the folder around them; inside, each server writes under whichever
    account its image has. wanted: False for none at all. endpoint: where the daemon is.
    """

    def __init__(self, *, wanted: bool, endpoint: Callable[[], Endpoint]) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._wanted = wanted
        self._endpoint = endpoint
        self._numbers = itertools.count(1)

    def create_with(
        self, api: Any, inside: str, create: Callable[[list[Any]], Container]
    ) -> Container:
        """Return what `create`, given docker-py's mounts, makes: with a folder at `inside`, if any.

        It has one of its own where the daemon does not find this machine's, as one in another
        container would not. Raises docker's errors.
        """
        from docker.errors import APIError
        from docker.types import Mount

        if folder := self._make(api) if inside else "":
            try:
                return create([Mount(inside, folder, type="bind")])
            except APIError as error:
                if folder not in str(error.explanation):
                    raise
                with self._lock:
                    self._wanted = False
        return create(private(inside))

    def _make(self, api: Any) -> str:
        """Return a new folder, "" where it would be of no use."""
        with self._lock:
            if self._wanted and self._folder is None:
                self._wanted = self._endpoint().is_unix and _shares_kernel(api)
            if not self._wanted:
                return ""
            try:
                return str(self._make_one())
            except (TestkitError, OSError):  # a full disk, say
                self._wanted = False
                return ""

    def _make_one(self) -> Path:
        if self._folder is None:
            self._folder = folders.make()
        made = self._folder / str(next(self._numbers))
        made.mkdir()
        made.chmod(_FOR_ALL)  # mkdir obeys the umask
        return made

    def close(self) -> None:
        """Remove the folders; call when no container is left that has one."""
        with self._lock:
            self._wanted = False
            folder, self._folder = self._folder, None
        if folder is not None:
            folders.remove(folder)


def private(inside: str) -> list[Any]:
    """Return docker-py's mounts for a folder that stays in the container, "" for none."""
    from docker.types import Mount

    return [Mount(inside, None, type="tmpfs", tmpfs_mode=_FOR_ALL)] if inside else []


def _shares_kernel(api: Any) -> bool:
    """Whether a socket that a container makes in a folder of this machine can be connected to.

    Not through what a virtual machine shares (its kernel is another), and not where SELinux keeps
    containers out of folders that were not labelled for them.
    """
    if sys.platform != "linux":
        return False
    return not _is_enforcing() and api.version().get("KernelVersion") == os.uname().release


def _is_enforcing() -> bool:
    try:
        return _SELINUX.read_text().strip() == "1"
    except OSError:
        return False
