"""Runs of pytest in turns without and with the kit, each forked from a process that has it loaded.

`python -m benchmarks.forked PAIRS CODE` runs the tests of the current folder, which end with that
exit code, and prints the seconds of each pair as JSON. A fork leaves out what loading Python and
pytest takes, 0.15 s of 0.2, whose scatter is many times what the kit costs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes


def main() -> None:
    pairs, expected = int(sys.argv[1]), int(sys.argv[2])
    _seconds(kit=False, expected=expected, forked=False)  # loads what pytest loads
    for kit in (False, True):
        _seconds(kit=kit, expected=expected)
    found = []
    for number in range(pairs):
        # Each is first in half of the pairs: the second one finds warmer caches.
        order = (False, True) if number % 2 else (True, False)
        pair = {kit: _seconds(kit=kit, expected=expected) for kit in order}
        found.append((pair[False], pair[True]))
    print(json.dumps(found))


def _seconds(*, kit: bool, expected: int, forked: bool = True) -> float:
    began = time.monotonic()
    if not forked:
        code = _run(kit)
    elif child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    else:
        os._exit(_run(kit))
    if code != expected:
        sys.exit(f"pytest ended with {code}, not {expected}")
    return time.monotonic() - began


def _run(kit: bool) -> int:
    sys.stdout.flush()
    shown = os.dup(1)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        try:
            return int(pytest.main(processes.options(kit=kit)))
        finally:
            os.dup2(shown, 1)
            os.close(shown)


if __name__ == "__main__":
    main()
