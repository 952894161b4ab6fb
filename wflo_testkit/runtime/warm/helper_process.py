"""The process that makes warm images: detached, out of the tests' way, and never for long.

Run by path with `python -I -S`; standard input holds JSON: the parent's sys.path, where the
daemon is, and the orders.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import closing

LIMIT = 900
"""Seconds after which it ends, whatever it is doing; its containers have their own limit."""
NICENESS = 10


def main() -> None:
    """Read the orders from stdin, cut loose from the run, and work them off."""
    told = json.loads(sys.stdin.read())
    _stay_out_of_the_way()
    here = os.path.abspath(__file__)  # noqa: PTH100 - pathlib is not worth its import here
    for _ in range(4):
        here = os.path.dirname(here)  # noqa: PTH120
    sys.path[:] = [*told["path"], here]

    from wflo_testkit.runtime import daemon
    from wflo_testkit.runtime.address import Endpoint
    from wflo_testkit.runtime.warm.notes import Notes
    from wflo_testkit.runtime.warm.order import Order
    from wflo_testkit.runtime.warm.work import work_off

    with closing(daemon.connect(Endpoint(**told["endpoint"])).client) as client:
        work_off(client, [Order(**order) for order in told["orders"]], Notes())


def _stay_out_of_the_way() -> None:
    """Give way to tests, and end in any case."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    watch = threading.Timer(LIMIT, os._exit, (1,))
    watch.daemon = True
    watch.start()


if __name__ == "__main__":
    main()
