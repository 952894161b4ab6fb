"""What a command prints, in a container or on this machine, when that may be much."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wflo_testkit.errors import StartFailed
from wflo_testkit.runtime.configuration import read_file

if TYPE_CHECKING:
    from docker.models.containers import Container

_WHOLE = b"-- all of it"
"""Ends the output of a command that has come to its end."""


class TooMuch(Exception):
    """A command prints more than is wanted of it."""


def printed(container: Container, command: tuple[str, ...], limit: int) -> bytes:
    """Run a command and return what it prints. limit: bytes.

    By way of a file, and of its archive: what comes by itself docker-py puts together by one copy
    for each frame, which takes ten seconds for 20 MB (measured), and Docker may lose some.
    Raises TooMuch beyond the limit, StartFailed if the command fails, docker's errors.
    """
    path = f"/tmp/wflo-{secrets.token_hex(4)}"  # noqa: S108 - in the container
    script = f'{{ "$@" && printf %s "$0"; }} | head -c {limit} >{path}'
    try:
        _code, said = container.exec_run(["sh", "-c", script, _WHOLE.decode(), *command])
        text = read_file(container, path)
    finally:
        container.exec_run(["rm", "-f", path])
    if text.endswith(_WHOLE):
        return text.removesuffix(_WHOLE)
    if len(text) >= limit:
        raise TooMuch(f"{command[0]} prints more than {limit} bytes")
    cause = said.decode(errors="replace").strip()
    raise StartFailed(f"{command[0]} did not come to its end", cause=cause)


def printed_here(command: tuple[str, ...], environment: Mapping[str, str], limit: int) -> bytes:
    """Do the same on this machine. environment: variables besides this process's own."""
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as complaint:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaint,
            env={**os.environ, **environment},
        ) as process:
            assert process.stdout is not None
            text = process.stdout.read(limit)
            if len(text) >= limit:
                process.kill()
                raise TooMuch(f"{command[0]} prints more than {limit} bytes")
        complaint.seek(0)
        said = complaint.read().decode(errors="replace").strip()
    if process.returncode:
        raise StartFailed(f"{command[0]} did not come to its end", cause=said)
    return text
