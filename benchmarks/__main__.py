"""Runs scenarios and writes RESULTS.md after each one."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from benchmarks import machine
from benchmarks.bench import Bench
from benchmarks.scenarios import NAMES
from benchmarks.table import Results, Row

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, _end)  # so that what was started is removed
    bench = Bench(quick=given.quick)
    results = Results.parse(given.output.read_text()) if given.output.exists() else Results()
    run = results.begin(machine.describe(_docker_version(), quick=given.quick))
    failed = []
    for name in given.names or NAMES:
        began = time.monotonic()
        print(name, file=sys.stderr, flush=True)
        try:
            rows: list[Row] = list(import_module(f"benchmarks.scenarios.{name}").measure(bench))
        except Exception as error:  # noqa: BLE001 - the other scenarios are still worth measuring
            failed.append(name)
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        results.replace(name, rows, run, NAMES)
        given.output.write_text(results.render())
        for row in rows:
            print(row)
        bench.say(f"took {time.monotonic() - began:.0f} s")
    print(f"{given.output}: {'failed: ' + ', '.join(failed) if failed else 'written'}")
    return 1 if failed else 0


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
