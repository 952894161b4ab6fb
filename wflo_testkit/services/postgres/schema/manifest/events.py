"""What Python's audit events tell of the work on a schema.

The events and their arguments: Python's library reference, "Audit events table". Not seen by any:
what C libraries do by themselves (libpq, a .so that reads a file or the environment; so that
`ctypes` alone is no reason not to keep a schema), what is opened by a name relative to a folder's
descriptor, and what the work has a thread do that ran before.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.schema.manifest import inputs

if TYPE_CHECKING:
    from wflo_testkit.services.postgres.schema.manifest.noted import Noted

_IMPORT_SYSTEM = "<frozen importlib._bootstrap_external>"
_METADATA = ("importlib/metadata", "importlib_metadata", "pkg_resources")
_ABOUT_THE_MACHINE = ("ctypes/util.py", "platform.py", "uuid.py")
"""Parts of the standard library that run a program (ldconfig, uname) to know the machine."""
_HERE = os.path.dirname(__file__)  # noqa: PTH120 - compared with code's file names
_PROCESSES = (
    *("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn"),
    *("os.spawn", "os.startfile", "pty.spawn"),
)


def spellings(place: str) -> set[tuple[str, int]]:
    """Return the ways to write "host:port" as a socket's address; none of ""."""
    host, _, port = place.rpartition(":")
    name = host.strip("[]")
    return {(each, int(port)) for each in (name, *_addresses(name))} if name else set()


def take(noted: Noted, name: str, args: tuple[Any, ...]) -> None:
    """Tell `noted` what an audit event means."""
    if name in _PROCESSES:
        if not _is_about_the_machine():
            noted.cannot_keep("it starts a process")
    elif (tell := _TELL.get(name)) is not None:
        tell(noted, *args)


def _open(noted: Noted, path: Any, _mode: Any, flags: int) -> None:
    if isinstance(path, int):
        return
    truncates = flags & (os.O_TRUNC | os.O_EXCL)
    reads = not (flags & os.O_WRONLY or truncates)
    if reads:
        noted.read(path)
    if truncates or (flags & os.O_CREAT and inputs.status_of(os.fsdecode(path)) is None):
        noted.makes(path)


def _make(noted: Noted, path: Any, *_more: Any) -> None:
    if inputs.status_of(os.fsdecode(path)) is None:  # else the call is about to fail
        noted.makes(path)


def _move(noted: Noted, source: Any, target: Any, *_more: Any) -> None:
    noted.read(source)
    noted.makes(target)


def _list(noted: Noted, path: Any) -> None:
    path = "." if path is None else path
    caller = next(_callers(), "")
    if caller == _IMPORT_SYSTEM:
        return
    if any(each in caller.replace(os.sep, "/") for each in _METADATA):
        noted.looked_for_distributions(path)
    else:
        noted.listed(path)


def _connect(noted: Noted, _socket: Any, address: Any) -> None:
    if isinstance(address, str | bytes):
        if not os.fsdecode(address).startswith("/dev/"):  # to be logged by the system
            noted.cannot_keep("it asks another process, by a Unix socket")
    elif address[:2] not in noted.database:
        noted.cannot_keep("it asks another server")


def _sqlite(noted: Noted, database: Any, *_more: Any) -> None:
    name = os.fsdecode(database)
    if name.startswith("file:"):
        if "mode=memory" in name:
            return
        name = name.removeprefix("file:").partition("?")[0]
    if name and not name.startswith(":memory:"):
        noted.read(name)


_TELL: dict[str, Callable[..., None]] = {
    "open": _open,
    "os.mkdir": _make,
    "os.rename": _move,
    "os.listdir": _list,
    "os.scandir": _list,
    "socket.connect": _connect,
    "sqlite3.connect": _sqlite,
}
WANTED = frozenset({*_TELL, *_PROCESSES})
"""The events that matter here; the rest is passed over at once."""


def _is_about_the_machine() -> bool:
    return any(
        caller.endswith(_ABOUT_THE_MACHINE) and not inputs.counts(caller) for caller in _callers()
    )


def _callers() -> Iterator[str]:
    """Yield the files of the code that led here, the innermost first."""
    frame = sys._getframe(1)  # noqa: SLF001 - documented; `inspect` would import much more
    while frame.f_back is not None:
        frame = frame.f_back
        if os.path.dirname(frame.f_code.co_filename) != _HERE:  # noqa: PTH120
            yield frame.f_code.co_filename


def _addresses(host: str) -> Iterator[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return
    for *_more, address in found:
        yield str(address[0])
