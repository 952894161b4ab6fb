"""Runs scenarios and writes RESULTS.md after each one."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from benchmarks import machine
from benchmarks.bench import PLOTS, Bench, reason
from benchmarks.scenarios import NAMES, SECONDS
from benchmarks.table import Results, Row, failed

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, _end)  # so that what was started is removed
    results = Results.parse(given.output.read_text()) if given.output.exists() else Results()
    machine_ = machine.describe(_docker_version(), quick=given.quick)
    run = results.begin(machine_)
    bench = Bench(given.quick, _plots(given.output), machine.caption(quick=given.quick))
    names = [name for name in NAMES if name in given.names] or list(NAMES)
    began = time.monotonic()
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name}: {_about(name, bench)}", file=sys.stderr, flush=True)
        since = time.monotonic()
        rows = list(_rows(name, bench))
        results.replace(name, rows, run, NAMES)
        given.output.write_text(results.render())
        for row in rows:
            print(row)
        bench.say(f"took {time.monotonic() - since:.0f} s")
    print(f"{given.output}: written in {(time.monotonic() - began) / 60:.1f} min")
    for failure in bench.failures:
        print(f"failed: {failure}")
    return 1 if bench.failures else 0


def _rows(name: str, bench: Bench) -> Iterator[Row]:
    """Yield a scenario's rows; if it breaks, those it had, and one that says so."""
    try:
        yield from import_module(f"benchmarks.scenarios.{name}").measure(bench)
    except Exception as error:  # noqa: BLE001 - the other scenarios are still worth measuring
        bench.failures.append(name)
        bench.say(f"{name} failed: {reason(error)}")
        yield failed(f"{name}: broke off here", reason(error))


def _about(name: str, bench: Bench) -> str:
    return "a trial" if bench.quick else f"about {SECONDS[name]} s"


def _plots(output: Path) -> Path:
    """Return where drawings go: into the documentation, or beside a table of one's own."""
    return PLOTS if output.resolve() == RESULTS else output.resolve().parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a trial: few repetitions")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file to update")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    return given


def _docker_version() -> str:
    import docker

    client = docker.from_env()
    try:
        return str(client.version()["Version"])
    finally:
        client.close()


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
