"""The daemon, for the length of one command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker


@contextlib.contextmanager
def connected() -> Iterator[docker.DockerClient]:
    """Yield docker-py's client. Raises DockerUnavailable, SettingError."""
    from wflo_testkit.runtime import daemon

    client = daemon.connect().client
    try:
        yield client
    finally:
        client.close()
