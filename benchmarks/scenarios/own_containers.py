"""40 tests on four workers, which use three containers of the project's own (nginx).

Floor: testcontainers alone, where each worker starts its own three, one after the other. Started:
containers, the reaper's included, as the daemon tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import docker

from benchmarks import measured, others, processes
from benchmarks.bench import Bench
from benchmarks.figures import MET, MISSED, Goal, Summary
from benchmarks.processes import Finished
from benchmarks.table import Row, row

WORKERS = 4
SERVERS = ("web", "proxy", "files")
_TABLE = """
[tool.wflo-testkit.servers.{}]
image = "nginx:1.26.3"
ports = {{ http = 80 }}
ready = {{ http = "/" }}
"""


def measure(bench: Bench) -> Iterator[Row]:
    what = f"own_containers: 40 tests, -n {WORKERS}, {len(SERVERS)} containers"
    yield from bench.attempt_all([what, f"{what}, started"], partial(_compared, bench, what))


def _compared(bench: Bench, what: str) -> list[Row]:
    """Run both suites in turns; count what each starts."""
    counts: dict[str, int] = {}

    def timed(name: str, run: Callable[[], Finished]) -> float:
        began = time.time()
        wall = run().wall
        counts[name] = _started(began, time.time())
        return wall

    turns = {"floor": partial(timed, "floor", _alone), "kit": partial(timed, "kit", _kit)}
    found = processes.in_turns(bench, bench.times(2, 1), turns)
    goal = Goal(text="≤ floor", limit=lambda floor: floor)
    fits = counts["kit"] == len(SERVERS) + 1
    return [
        row(what, goal, Summary.of(found["kit"]), Summary.of(found["floor"])),
        Row(
            f"{what}, started",
            goal=f"{len(SERVERS)} and the reaper",
            measured=str(counts["kit"]),
            floor=str(counts["floor"]),
            ok=MET if fits else MISSED,
        ),
    ]


def _kit() -> Finished:
    return _run("own_kit", "-n", str(WORKERS), variables={"PYTHONPATH": str(processes.ROOT)})


def _alone() -> Finished:
    with others.environment() as variables:
        return _run("own_alone", "-n", str(WORKERS), "-p", others.PLUGIN, variables=variables)


def _run(conftest: str, *options: str, variables: Mapping[str, str]) -> Finished:
    files = {
        "conftest.py": measured.source(conftest),
        "test_own.py": measured.source("own_uses"),
        "pyproject.toml": "".join(map(_TABLE.format, SERVERS)),
    }
    with processes.folder(files) as where:
        return processes.pytest(
            where, *options, kit=conftest == "own_kit", plugins=["xdist"], variables=variables
        )


def _started(since: float, until: float) -> int:
    """Return how many containers were started in that time, in seconds since the epoch."""
    client = docker.from_env()
    try:
        events = client.events(
            since=int(since), until=int(until) + 1, decode=True, filters={"event": "start"}
        )
        return len({each["id"] for each in events})
    finally:
        client.close()
