"""Suites on the kit's public fixtures, run under the stopwatch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.processes import Finished
from benchmarks.stopwatch import VALUES

WARM_UP = 5
"""Tests at the start that do not count: first connections, imports, the schema, the template."""
SOURCES = Path(__file__).parent / "suites"


@dataclass(frozen=True, slots=True)
class Timing:
    """One test's give-out and give-back, in seconds; at: of time.monotonic."""

    at: float
    out: float
    back: float

    @property
    def both(self) -> float:
        return self.out + self.back


@dataclass(frozen=True, slots=True)
class Measured:
    """What the processes of one run have noted, in the order of time.

    notes: name -> values. memory: (tests ended, bytes) of the process that owns the broker.
    """

    tests: Sequence[Timing]
    notes: Mapping[str, Sequence[float]]
    memory: Sequence[tuple[int, int]]
    finished: Finished

    @property
    def warm(self) -> Sequence[Timing]:
        """All tests but the first, in which much happens once."""
        return self.tests[WARM_UP:]

    def noted(self, name: str) -> Sequence[float]:
        """Return the values of a name, without those of the first tests. Raises KeyError."""
        return self.notes[name][WARM_UP:]


def source(name: str) -> str:
    """Return the text of a file in benchmarks/suites."""
    return (SOURCES / f"{name}.py").read_text()


def run(
    files: Mapping[str, str],
    *options: str,
    kit: bool = True,
    plugins: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Measured:
    """Run a suite once. Raises BenchmarkFailed, subprocess.TimeoutExpired.

    CI is set, in which the kit uses warm images and makes none: they would be made in the
    background of whatever is measured next.
    """
    with processes.folder(files) as where:
        given = {VALUES: str(where / "values"), "PYTHONPATH": str(processes.ROOT), "CI": "1"}
        finished = processes.pytest(
            where,
            "-p",
            "benchmarks.stopwatch",
            *options,
            kit=kit,
            plugins=plugins,
            variables=given | dict(variables or {}),
        )
        texts = [path.read_text() for path in sorted(where.glob("values.*"))]
    return _merged([json.loads(text) for text in texts], finished)


def _merged(processes_: Sequence[dict], finished: Finished) -> Measured:  # type: ignore[type-arg]
    tests = [Timing(**test) for values in processes_ for test in values["tests"]]
    notes: dict[str, list[float]] = {}
    for values in processes_:
        for name, seconds in values["notes"].items():
            notes.setdefault(name, []).extend(seconds)
    memory = [each for values in processes_ if not values["is_worker"] for each in values["memory"]]
    return Measured(
        tests=sorted(tests, key=lambda test: test.at),
        notes=notes,
        memory=[(count, size) for count, size in memory],
        finished=finished,
    )
