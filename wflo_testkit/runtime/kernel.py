"""Asks the kernel itself, past whatever a test has put in the place of Python's functions.

A test may fake files (pyfakefs; `open`, `os.open`, `Path.read_text` patched) while the kit asks,
from the same process, which process it is in, or what a lost broker has written. What is held here
are the functions of the module that is built into the interpreter, in a namespace: pyfakefs looks
for modules and functions among the names of a module, and has no `posix` of its own
(`fake_filesystem_unittest`, 6.3). A test that patches this module, or `posix` before it is loaded,
cannot be excluded.
"""

from __future__ import annotations

import _socket
import importlib
import sys
from types import SimpleNamespace
from typing import Any

_BUILT_IN = "posix" if "posix" in sys.builtin_module_names else "nt"
calls = SimpleNamespace(**vars(importlib.import_module(_BUILT_IN)))
"""What `os` is made of, as it was when this module was loaded."""
_CHUNK = 1 << 16


def read(path: str) -> str:
    """Return a file's text. Raises OSError."""
    return read_with_status(path)[0]


def read_with_status(path: str) -> tuple[str, Any]:
    """Return a file's text, and what stat(2) says of the very same file. Raises OSError."""
    handle = calls.open(path, calls.O_RDONLY)
    try:
        text = b""
        while more := calls.read(handle, _CHUNK):
            text += more
        return text.decode(errors="replace"), calls.fstat(handle)
    finally:
        calls.close(handle)


def peer(connection: Any) -> int:
    """Return the id of the process at the other end of a Unix socket, 0 where none can be told.

    SO_PEERCRED (unix(7)) tells who connected, as this process sees it.
    """
    option = getattr(_socket, "SO_PEERCRED", None)
    if option is None:
        return 0
    return int.from_bytes(connection.getsockopt(_socket.SOL_SOCKET, option, 12)[:4], sys.byteorder)


def node() -> str:
    """Return the name of this machine, "" if it has none."""
    if hasattr(calls, "uname"):
        return str(calls.uname().nodename)
    import platform  # Windows

    return platform.node()
