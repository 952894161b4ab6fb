"""What the broker's process does, from its first line to its last.

File descriptor 0 is a socket, to the owner. It sends what the interpreter needs, then the config;
later "end", and gets the error of that, if there was one. Standard output and error are the log.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from wflo_testkit import errors
from wflo_testkit.broker.process import Connections, until_its_end
from wflo_testkit.broker.wire import Stream
from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import folders

RETRY_FOR = 300.0
"""Seconds for which a daemon that does not answer is asked again when nobody waits any more."""
log = logging.getLogger("wflo_testkit.broker")


def main(listening: int, owner: int) -> None:
    """Serve at the socket `listening`, a file descriptor, until the process `owner` is done.

    Ends the process itself: no thread holds it up.
    """
    _prepare()
    control = Stream(socket.socket(fileno=0))
    connections = Connections(socket.socket(fileno=listening))
    try:
        _serve(control, connections, owner)
    except BaseException:
        log.exception("the broker ends, by a fault of its own")
        os._exit(1)
    os._exit(0)


def _prepare() -> None:
    """Set up the log, and stay: what ends tests politely stops everything, a service manager say.

    SIGUSR1 writes the stacks of all threads into the log.
    """
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")


def _serve(control: Stream, connections: Connections, owner: int) -> None:
    # Behind the callers' backs: they are let in already.
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.run.making import make_broker

    told = control.receive()
    if told is None:
        return  # the owner is gone before anything was made
    config = RunConfig(**told)
    log.setLevel(logging.DEBUG if config.debug else logging.INFO)
    log.info("run %s, Python %s, process %d", config.run, sys.version.split()[0], os.getpid())
    broker = make_broker(config)
    connections.serve(broker)
    is_wanted = until_its_end(control, owner, connections) is not None
    log.info("the run ends" if is_wanted else "the owner is gone")
    place = Path(connections.path).parent
    connections.close()
    _end(broker, control)
    if not is_wanted:
        folders.remove(place)  # nobody else does


def _end(broker: Any, control: Stream) -> None:
    """Remove what the run made, and tell the owner, if there is one; what resists is tried again.

    For as long as a daemon takes to come back.
    """
    try:
        broker.close()
    except Exception as error:
        if not isinstance(error, TestkitError):
            log.exception("unexpected")
        _tell(control, ("error", errors.to_json(error)))
        with contextlib.suppress(TestkitError):
            broker.close(RETRY_FOR)
    else:
        _tell(control, ("ok", None))


def _tell(control: Stream, answer: Any) -> None:
    with contextlib.suppress(OSError):  # nobody is there
        control.send(answer)
