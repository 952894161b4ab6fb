"""The watchdog's own process: waits for its parent's end, and clears up if that was a death.

Run by path with `python -I -S`: up in some 15 ms, and no setting of the tests reaches it. What
the removal needs is imported only when there is something to remove. File descriptor 0 is a
socket: the parent sends one line of JSON, its sys.path and the daemon's endpoint; gets "watching";
sends "done" at a normal end.
"""

from __future__ import annotations

import os
import select
import sys

POLL = 0.5
"""Seconds between two looks at the parent, for when a forked child holds the socket open."""
QUIET = 5.0
"""Seconds without a find after which nothing more is expected: a call to the daemon that was under
way when the parent died is carried out."""
RETRY_FOR = 300.0
"""Seconds after which a daemon that does not answer is given up; then the next run sweeps."""


def main() -> None:
    """Guard the run of the parent that argv names, until it ends well or dies."""
    run, parent = sys.argv[1], int(sys.argv[2])
    order = _read_line()
    if not order:
        return  # the parent died before it could make anything
    _tell_parent()
    _stay()
    if _ends_well(parent):
        return
    _clear(run, order)


def _read_line() -> str:
    text = b""
    while not text.endswith(b"\n"):
        if not (more := _read()):
            return ""
        text += more
    return text.decode().rstrip("\n")


def _read() -> bytes:
    """Return what the parent has sent, b"" if it has hung up or died."""
    try:
        return os.read(0, 65536)
    except OSError:  # reset: it died before it had read what it was told
        return b""


def _tell_parent() -> None:
    try:
        os.write(0, b"watching\n")
    except OSError:
        return  # it is dead; the next look finds that


def _stay() -> None:
    """Ignore what ends the tests politely, such as a service manager that stops everything."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _ends_well(parent: int) -> bool:
    """Block until the parent's end; tell whether it said so before."""
    while True:
        ready, _, _ = select.select([0], [], [], POLL)
        if ready:
            return _read().startswith(b"done")
        if os.getppid() != parent:
            return False


def _root() -> str:
    """Return the folder that holds the package, which an import hook may have provided."""
    here = os.path.abspath(__file__)  # noqa: PTH100 - pathlib is not worth its import here
    for _ in range(3):
        here = os.path.dirname(here)  # noqa: PTH120
    return here


def _clear(run: str, order: str) -> None:
    """Remove what `run` made, again and again until nothing more appears."""
    import json

    told = json.loads(order)
    sys.path[:] = [*told["path"], _root()]

    from wflo_testkit.runtime import daemon, leftovers, reaper
    from wflo_testkit.runtime.address import Endpoint
    from wflo_testkit.wait import Deadline, pause

    endpoint = Endpoint(**told["endpoint"])
    patience, quiet = Deadline(RETRY_FOR), Deadline(QUIET)
    while not (quiet.passed or patience.passed):
        try:
            client = daemon.connect(endpoint).client
            try:
                reaper.remove(client.api, run)
                found = not leftovers.remove_run(client.api, run)
            finally:
                client.close()
        except Exception:  # noqa: BLE001 - a lost daemon is tried again, whatever it answered
            found = True
        if found:
            quiet = Deadline(QUIET)
        pause(POLL)


if __name__ == "__main__":
    main()
