"""Where the time of a start goes: one traced run of the kit, apart from the measured ones."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from benchmarks import processes, starting
from benchmarks.figures import duration
from benchmarks.trace import BEGAN, FILE, Step


def profile(services: Sequence[str]) -> str:
    """Return, in words, when each step of one start was over."""
    with processes.folder(starting.files(services)) as where:
        path = where / "trace.json"
        variables = {
            FILE: str(path),
            BEGAN: repr(time.monotonic()),
            "PYTHONPATH": str(processes.ROOT),
        }
        processes.pytest(where, "-p", "benchmarks.trace", kit=True, variables=variables)
        steps: list[Step] = json.loads(path.read_text())
    return in_words(steps)


def in_words(steps: Sequence[Step]) -> str:
    """Say when the steps of the process were over, then those of each server."""
    ends = {s["step"]: s["end"] for s in steps if not s["what"]}  # the last one of each step
    general = [f"{step} {duration(end)}" for step, end in ends.items()]
    servers = dict.fromkeys(s["what"] for s in steps if s["what"])
    parts = [_of_server(name, [s for s in steps if s["what"] == name]) for name in servers]
    return "one traced run, each step's end since the process began: " + "; ".join(
        [", ".join(general), *parts]
    )


def _of_server(name: str, steps: Sequence[Step]) -> str:
    probes = [s for s in steps if s["step"] == "probe"]
    texts = [f"{s['step']} {duration(s['end'])}" for s in steps if s["step"] != "probe"]
    if probes:
        last = probes[-1]["end"] - probes[-1]["begin"]
        texts.append(f"{len(probes)} probes, the last took {duration(last)}")
    return f"{name}: {', '.join(texts)}"
