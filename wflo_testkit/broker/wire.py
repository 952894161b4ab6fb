"""Frames of plain data on a Unix socket: the length in four bytes, then what marshal makes of it.

Both ends are processes of one user, behind a folder that only this user can enter. Version 2 of
the format is the same in every Python that the kit knows.
"""

from __future__ import annotations

import dataclasses
import json
import marshal
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Protocol

from wflo_testkit.broker.api import Ask
from wflo_testkit.model import CALLS, Build, Grant, Json, Server, Spec

FORMAT = 2
_SIZE = 4
_CHUNK = 1 << 16
_LONGEST = 1 << 28
"""Bytes; what claims to be longer is no frame."""
KINDS: dict[str, type[Any]] = {each.__name__: each for each in (Ask, Build, Grant, Server, Spec)}
_FIELDS = {
    name: tuple(field.name for field in dataclasses.fields(kind) if field.name not in CALLS)
    for name, kind in KINDS.items()
}
_VALUES = {name: attrgetter(*fields) for name, fields in _FIELDS.items()}


class Socket(Protocol):
    """What a frame needs of a socket, Python's own or the interpreter's."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...

    def close(self) -> object: ...

    def fileno(self) -> int: ...


class Stream:
    """Frames one way and the other over a connected socket. Every method may raise OSError."""

    def __init__(self, link: Socket) -> None:
        self.link = link
        self._rest = b""

    def send(self, message: Json) -> None:
        """Send one message. Raises TypeError for what is no plain data."""
        self.link.sendall(frame(message))

    def receive(self) -> Any:
        """Return the next message; None when the other side has closed. Raises ValueError."""
        data = self._rest
        while len(data) < _SIZE or len(data) < (end := _end(data)):
            if not (more := self.link.recv(_CHUNK)):
                return None
            data = data + more if data else more
        self._rest = data[end:]
        return marshal.loads(data[_SIZE:end])  # noqa: S302 - from a process of the same user

    @property
    def has_more(self) -> bool:
        """Whether something has been read already of what comes next."""
        return bool(self._rest)

    def close(self) -> None:
        self.link.close()


def _end(data: bytes) -> int:
    size = int.from_bytes(data[:_SIZE], "big")
    if size > _LONGEST:
        raise ValueError(f"{data[:16]!r} begins no frame")
    return _SIZE + size


def frame(message: Json) -> bytes:
    """Return the bytes of one message. Raises TypeError for what is no plain data."""
    try:
        data = marshal.dumps(message, FORMAT)
    except ValueError:  # a subclass of a plain type, say, which JSON takes for what it is
        data = marshal.dumps(json.loads(json.dumps(message, default=_plain)), FORMAT)
    return len(data).to_bytes(_SIZE, "big") + data


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is no plain data")


def packed(value: Any) -> tuple[str, Any]:
    """Return a value as plain data beside the name of its kind, "" for what is plain already.

    By name, since a class may have been imported twice: by a pytest inside of pytest.
    """
    for each in type(value).__mro__:
        if (values := _VALUES.get(each.__name__)) is not None:
            return each.__name__, values(value)
    return "", value


def unpacked(tagged: tuple[str, Any]) -> Any:
    """Return what `packed` was given; of a server's subclass a Server."""
    kind, value = tagged
    return KINDS[kind](**dict(zip(_FIELDS[kind], value, strict=True))) if kind else value
