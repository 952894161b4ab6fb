"""Cold starts by the kit, in a pytest process, against the floor."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from benchmarks import desk, processes, warmth
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
        warmth.settle(bench, lambda: processes.pytest(with_kit, kit=True))
        floor = Floor(session)
        floor.seconds(specs)  # the first use of an image reads it from disk
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


def first_ever(services: Sequence[str]) -> float:
    """Return the seconds of a start, less a bare process, where nothing is warm and nothing kept.

    Images are at hand; warm ones are switched off, since they would be made in the background of
    what is measured next.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        processes.folder(files(services)) as with_kit,
        processes.folder(files(())) as bare,
    ):
        variables = {"XDG_CACHE_HOME": home, "WFLO_TESTKIT_WARM_IMAGES": "0"}
        kit = processes.pytest(with_kit, kit=True, variables=variables).reached
        return kit - processes.pytest(bare, kit=False).reached
