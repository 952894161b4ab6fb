"""The processes of this machine, by what their command line says."""

from __future__ import annotations

from pathlib import Path


def that_name(*texts: str) -> list[int]:
    """Return the ids of the processes whose command line holds each of `texts`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if all(text in line for text in texts):
            found.append(int(path.parent.name))
    return found
