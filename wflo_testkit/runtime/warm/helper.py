"""Starts the process that makes warm images after the tests."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.warm.order import Order

SCRIPT = Path(__file__).with_name("helper_process.py")


def begin(orders: Sequence[Order], endpoint: Endpoint) -> subprocess.Popen[bytes]:
    """Start a process that makes the images of `orders` and outlives this one. Raises OSError.

    endpoint: the daemon on which they are made.

    It has a session of its own, so that no signal to the tests' process group reaches it, and is
    told all it needs over a pipe: passwords are in no argument and in no variable.
    """
    process = subprocess.Popen(
        # -I -S: a quick start, whatever the tests have done to the environment.
        [sys.executable, "-I", "-S", str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None  # for the type checker
    path = [place for place in sys.path if os.path.isabs(place)]  # noqa: PTH117 - a string
    told = {
        "path": path,
        "endpoint": asdict(endpoint),
        "orders": [asdict(order) for order in orders],
    }
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(json.dumps(told).encode())
    process.returncode = 0  # nobody waits for it, on purpose
    return process
