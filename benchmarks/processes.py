"""Whole pytest processes: started, timed, compared in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from itertools import takewhile
from pathlib import Path

from benchmarks.bench import Bench, BenchmarkFailed

ROOT = Path(__file__).parent.parent
PROCESS = "wflo_testkit"
STAMP = "BENCH_STAMP"
"""Variable with the path to which a test writes time.monotonic(), one clock for all processes."""
TIMEOUT = 300.0
NO_TESTS = 5
"""pytest's exit code when it has collected nothing."""
_OURS = ("WFLO_TESTKIT_", "WFLO_TEST_", "PYTEST_", "BENCH_", "TEST_DATABASE", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Finished:
    """One process. wall: seconds from its start to its end; reached: to its stamp, or 0."""

    wall: float
    reached: float
    output: str = field(default="", repr=False)

    @property
    def rest(self) -> float:
        """Seconds from its stamp to its end."""
        return self.wall - self.reached

    @property
    def closing(self) -> str:
        """What the kit says at the end of the run about its servers, as one line."""
        _, _, rest = self.output.partition(f" {PROCESS.replace('_', '-')} =")
        lines = rest.partition("\n")[2].splitlines()
        return "; ".join(" ".join(line.split()) for line in takewhile(_is_text, lines))


@contextmanager
def folder(files: Mapping[str, str]) -> Iterator[Path]:
    """Yield a new folder with these texts, its own root for pytest."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for path, text in ({"pytest.ini": "[pytest]\n"} | dict(files)).items():
            (Path(name) / path).write_text(text)
        yield Path(name)


def pytest(
    where: Path,
    *more: str,
    kit: bool,
    plugins: Sequence[str] = (),
    python: str = sys.executable,
    variables: Mapping[str, str] | None = None,
    expected: int = 0,
) -> Finished:
    """Run pytest in `where`, with no installed plugin but `plugins` and, if wanted, the kit.

    plugins: names of their entry points. Raises BenchmarkFailed when it ends with another code
    than `expected`, and subprocess.TimeoutExpired after TIMEOUT.
    """
    stamp = where / "stamp"
    stamp.unlink(missing_ok=True)
    command = [python, "-m", "pytest", *options(plugins, kit=kit), *more]
    environment = _environment() | {STAMP: str(stamp)} | dict(variables or {})
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    wall = time.monotonic() - began
    if done.returncode != expected:
        raise BenchmarkFailed(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    reached = float(stamp.read_text()) - began if stamp.exists() else 0.0
    return Finished(wall, reached, done.stdout)


def options(plugins: Sequence[str] = (), *, kit: bool) -> list[str]:
    """Return pytest's options for a run with no installed plugin but `plugins` and the kit."""
    return ["-qx", "-p", "no:cacheprovider", *_without({*plugins, PROCESS} if kit else {*plugins})]


def forked(where: Path, pairs: int, *, expected: int = 0) -> list[tuple[float, float]]:
    """Run pytest in `where` in pairs, without and with the kit; see benchmarks/forked.py.

    Raises BenchmarkFailed when one ends with another code than `expected`.
    """
    command = [sys.executable, "-m", "benchmarks.forked", str(pairs), str(expected)]
    environment = _environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    if done.returncode:
        raise BenchmarkFailed(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return [(without, with_kit) for without, with_kit in json.loads(done.stdout.splitlines()[-1])]


def in_turns(
    bench: Bench, rounds: int, candidates: Mapping[str, Callable[[], float]]
) -> dict[str, list[float]]:
    """Call the candidates A B C A B C ...; return each one's seconds, as many as `rounds`."""
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name, measure in candidates.items():
            values[name].append(measure())
        last = ", ".join(f"{name} {seconds[-1]:.3f} s" for name, seconds in values.items())
        bench.say(f"{number + 1}/{rounds}: {last}")
    return values


def _without(wanted: AbstractSet[str]) -> Sequence[str]:
    """Return options that keep out every installed plugin but those `wanted`, unloaded."""
    names = {PROCESS} | {entry.name for entry in entry_points(group="pytest11")}
    return [word for name in sorted(names - wanted) for word in ("-p", f"no:{name}")]


def _is_text(line: str) -> bool:
    """Tell the lines of a section of pytest's summary from what follows it."""
    return bool(line.strip()) and not line.startswith("=") and not line[0].isdigit()


def _environment() -> dict[str, str]:
    """Return this environment without what would change how the kit or pytest behave."""
    return {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(_OURS)}
