"""Whole pytest processes: started, timed, compared in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from benchmarks.bench import Bench, BenchmarkFailed

ROOT = Path(__file__).parent.parent
KIT = "wflo_testkit"
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


@contextmanager
def folder(files: Mapping[str, str]) -> Iterator[Path]:
    """Yield a new folder with these texts, its own root for pytest."""
    with tempfile.TemporaryDirectory(prefix="wflo-bench-") as name:
        for path, text in ({"pytest.ini": "[pytest]\n"} | dict(files)).items():
            (Path(name) / path).write_text(text)
        yield Path(name)


def pytest(
    where: Path,
    *options: str,
    kit: bool,
    python: str = sys.executable,
    variables: Mapping[str, str] | None = None,
    expected: int = 0,
) -> Finished:
    """Run pytest in `where`, with no plugin but the kit, or with none.

    Raises BenchmarkFailed when it ends with another code than `expected`.
    """
    stamp = where / "stamp"
    stamp.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *_without(kit), *options]
    environment = _environment() | {STAMP: str(stamp)} | dict(variables or {})
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    wall = time.monotonic() - began
    if done.returncode != expected:
        raise BenchmarkFailed(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return Finished(wall, float(stamp.read_text()) - began if stamp.exists() else 0.0)


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


def _without(kit: bool) -> Sequence[str]:
    """Return options that keep out every installed plugin, unloaded, but perhaps the kit."""
    names = {entry.name for entry in entry_points(group="pytest11")}
    blocked = sorted(names - {KIT} if kit else names | {KIT})
    return [word for name in blocked for word in ("-p", f"no:{name}")]


def _environment() -> dict[str, str]:
    """Return this environment without what would change how the kit or pytest behave."""
    return {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(_OURS)}
