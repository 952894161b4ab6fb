"""What the four servers cost while no test uses them, and the process that holds the broker.

Looked at over some seconds, from SETTLE seconds after the last one was ready.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import containers, desk
from benchmarks.bench import Bench
from benchmarks.figures import MET, MISSED
from benchmarks.scenarios.start import SERVICES
from benchmarks.table import Row
from wflo_testkit.wait import pause

SETTLE = 10.0
MOST_CPU, MOST_MIB = 0.10, 900
CPU, MEMORY = "idle: processor, of one broker (P9)", "idle: memory (P9)"


def measure(bench: Bench) -> Iterator[Row]:
    bench.say(f"looking for {SETTLE + bench.times(20, 5):g} s")
    yield from bench.attempt_all((CPU, MEMORY), lambda: _rows(bench))


def _rows(bench: Bench) -> list[Row]:
    with desk.servers(*SERVICES) as servers, containers.client() as client:
        ids = {server.name: server.container_id for server in servers}
        pause(SETTLE)
        before = {name: containers.usage(client, each) for name, each in ids.items()}
        began, own = time.monotonic(), time.process_time()
        pause(float(bench.times(20, 5)))
        after = {name: containers.usage(client, each) for name, each in ids.items()}
        took, own = time.monotonic() - began, time.process_time() - own
    cpu = {name: (after[name].cpu - before[name].cpu) / took for name in ids}
    memory = {name: after[name].memory / containers.MIB for name in ids}
    cpus = ", ".join(f"{name} {share:.1%}" for name, share in cpu.items())
    memories = ", ".join(f"{name} {size:.0f} MiB" for name, size in memory.items())
    return [
        Row(
            CPU,
            f"≤ {MOST_CPU:.0%}",
            f"{sum(cpu.values()):.1%}",
            ok=MET if sum(cpu.values()) <= MOST_CPU else MISSED,
            note=f"over {took:.0f} s: {cpus}; the process with the broker {own / took:.1%}",
        ),
        Row(
            MEMORY,
            f"≤ {MOST_MIB} MiB",
            f"{sum(memory.values()):.0f} MiB",
            ok=MET if sum(memory.values()) <= MOST_MIB else MISSED,
            note=memories,
        ),
    ]
