"""Cold starts by the kit, in a pytest process, against the floor."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import desk, processes
from benchmarks.bench import Bench
from benchmarks.figures import Summary, differences
from benchmarks.floor import Floor

_STAMPING = """
import os, time

def test_ready({fixtures}):
    with open(os.environ["BENCH_STAMP"], "w") as file:
        file.write(repr(time.monotonic()))
"""


def files(services: Sequence[str]) -> dict[str, str]:
    """Return a suite of one test that uses these servers and notes when it gets to run."""
    fixtures = ", ".join(f"{name}_server" for name in services)
    return {"test_ready.py": _STAMPING.format(fixtures=fixtures)}


def compare(bench: Bench, services: Sequence[str], rounds: int) -> tuple[Summary, Summary]:
    """Return the kit's start less that of a bare process, and the floor's."""
    specs = [desk.spec(name) for name in services]
    with (
        desk.session() as session,
        processes.folder(files(services)) as with_kit,
        processes.folder(files(())) as bare,
    ):
        floor = Floor(session)
        floor.seconds(specs)  # the first use of an image reads it from disk
        processes.pytest(with_kit, kit=True)
        processes.pytest(bare, kit=False)
        seconds = processes.in_turns(
            bench,
            rounds,
            {
                "bare": lambda: processes.pytest(bare, kit=False).reached,
                "kit": lambda: processes.pytest(with_kit, kit=True).reached,
                "floor": lambda: floor.seconds(specs),
            },
        )
    started = differences(seconds["kit"], seconds["bare"])
    return Summary.of(started), Summary.of(seconds["floor"])
