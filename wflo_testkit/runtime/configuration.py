"""What Docker is told of a container beyond image, command and ports: files, volumes, limits."""

from __future__ import annotations

import io
import random
import socket
from collections.abc import Iterator, Mapping
from posixpath import dirname, relpath
from typing import Any

from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Json, Spec
from wflo_testkit.runtime import ports
from wflo_testkit.runtime.inputs import BYTES

PORTS = range(20000, 32000)
"""Published ports that stay after a restart: below those that the kernel gives to clients."""
SECRET_MODE = 0o400


def choose_ports(spec: Spec, address: str, *, taken: set[int]) -> dict[str, int]:
    """Return name -> a port of the host for each of the spec's, free now as far as can be told.

    address: on which they are published. taken: those that turned out not to be free.
    """
    chosen: dict[str, int] = {}
    for name in spec.ports:
        chosen[name] = free_port(address, {*taken, *chosen.values()})
    return chosen


def free_port(address: str, taken: set[int]) -> int:
    """Return a port of the host that is free now, and not `taken`. Raises StartFailed."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    picks = random.SystemRandom().sample(PORTS, 200)  # tests seed the module's own
    for port in picks:
        if port in taken:
            continue
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address if ports.is_loopback(address) else "", port))
        except OSError:
            continue
        return port
    raise StartFailed(
        "no free port was found",
        looked_at=f"{len(picks)} ports of {PORTS.start} to {PORTS.stop} at {address}",
        fix="end what listens there",
    )


def deliver(container: Any, spec: Spec) -> None:
    """Put the files and secrets of `spec` into a container that has not been started.

    Secrets belong to the user that the container runs as, and only that can read them.
    Raises docker's errors, StartFailed.
    """
    if not (spec.files or spec.secrets):
        return
    owner = _owner(container) if spec.secrets else (0, 0)
    files = [(path, data, _file_mode(data), (0, 0)) for path, data in _bytes(spec.files)]
    secrets = [(path, data, SECRET_MODE, owner) for path, data in _bytes(spec.secrets)]
    volumes = _own_volumes(spec)
    for folder in [*volumes, "/"]:
        inside = [each for each in files + secrets if _target(each[0], volumes) == folder]
        if inside:
            container.put_archive(folder, _packed(inside, folder))


def _target(path: str, volumes: list[str]) -> str:
    """Return the folder in which Docker is told to unpack what is to be at `path`."""
    return dirname(path) if dirname(path) in volumes else "/"


def _own_volumes(spec: Spec) -> list[str]:
    """Return the folders that have to be volumes to get files: of a container that is read-only
    otherwise, where Docker puts files nowhere else, and below a tmpfs, which would hide them.

    Each is the container's own, with what the image has there. Raises StartFailed.
    """
    folders = sorted({dirname(path) for path in (*spec.files, *spec.secrets)})
    if not spec.docker.get("read_only"):
        return [each for each in folders if any(each.startswith(f"{at}/") for at in spec.tmpfs)]
    if "/" in folders:
        raise StartFailed(
            f"{spec.name} is read_only, and its `files` are to be at its root",
            fix="give them a folder below it",
        )
    return folders


def _bytes(files: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    yield from ((path, text.encode(errors=BYTES)) for path, text in files.items())


def _file_mode(data: bytes) -> int:
    """Return the mode of a file that any user may read; a script among the files can be run."""
    return 0o755 if data[:2] == b"#!" else 0o644


def _packed(content: list[tuple[str, bytes, int, tuple[int, int]]], folder: str = "/") -> bytes:
    """Return a tar of path, data, mode and owner, to be unpacked in `folder`."""
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data, mode, (uid, gid) in content:
            member = tarfile.TarInfo(relpath(path, folder))
            member.size, member.uid, member.gid = len(data), uid, gid
            member.mode = mode
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _owner(container: Any) -> tuple[int, int]:
    """Return the numbers of the user and group that a container runs as."""
    container.reload()
    user, _, group = str(container.attrs["Config"].get("User") or "0").partition(":")
    own = _looked_up(container, "/etc/passwd", user)
    uid = int(user) if user.isdigit() else int(own[2])
    if group:
        gid = int(group) if group.isdigit() else int(_looked_up(container, "/etc/group", group)[2])
    else:
        gid = int(own[3]) if own else 0
    return uid, gid


def _looked_up(container: Any, path: str, name: str) -> list[str]:
    """Return the fields of a user or group; none for a number that has no name there."""
    from docker.errors import NotFound

    try:
        text = read_file(container, path).decode(errors="replace")
    except NotFound:  # an image without users, such as one from scratch
        text = ""
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and name in (fields[0], fields[2]):
            return fields
    if name.isdigit():
        return []
    raise StartFailed(
        f"the user {name!r}, who is to read the secrets, is not in the image",
        looked_at=path,
        fix="give `user` by number",
    )


def read_file(container: Any, path: str) -> bytes:
    """Return the content of a file inside. Raises docker's errors, StartFailed."""
    import tarfile

    chunks, _status = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                return file.read()
    raise StartFailed(f"{path} is no file", looked_at=f"container {str(container.id)[:12]}")


def write_file(container: Any, path: str, content: bytes) -> None:
    """Write a file inside. Raises docker's errors."""
    container.put_archive("/", _packed([(path, content, _file_mode(content), (0, 0))]))


def arguments(spec: Spec, labels: Mapping[str, str], volumes: Mapping[str, str]) -> dict[str, Json]:
    """Return further arguments of docker-py's create. volumes: what -> path inside, in full."""
    found: dict[str, Json] = dict(spec.docker)
    found["labels"] = {**found.get("labels", {}), **labels}
    if spec.entrypoint:
        found["entrypoint"] = list(spec.entrypoint)
    own = [folder for folder in _own_volumes(spec) if folder not in volumes.values()]
    if volumes or own:
        found["volumes"] = [*(f"{what}:{inside}" for what, inside in volumes.items()), *own]
    return found
