"""What `make demo` runs: the wflo example on real containers, and what a person wants to know."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

ROOT = Path(__file__).resolve().parents[1]
SUITE = "examples/wflo"
NEXT = """\
Try next
  .venv/bin/pytest examples/wflo -n 4             the same, four processes on one set of containers
  .venv/bin/pytest examples/wflo -k redis -v      one service: only its container starts
  examples/wflo/tests/integration/conftest.py     the three fixtures that a project writes itself
  examples/wflo/mutations.toml                    faults in the service that the suite notices
  README.md                                       use it in your own tests"""


def main() -> int:
    """Run the suite and print the summary; return pytest's exit code, and 1 after any skip."""
    start = monotonic()
    with TemporaryDirectory(prefix="wflo-demo-") as folder:
        services, junit = Path(folder, "services.json"), Path(folder, "junit.xml")
        code = run_suite(services, junit)
        if not junit.exists():
            return code or 1
        outcomes = count(junit)
        print(f"\nServices\n{table(service_rows(services))}")
    print(f"\nTests passed\n{table(file_rows(outcomes))}\n\n{NEXT}\n")
    totals = {name: sum(files.values()) for name, files in outcomes.items()}
    print(", ".join(f"{totals[name]} {name}" for name in totals), f"in {monotonic() - start:.0f} s")
    return code or int(totals["skipped"] + totals["xfailed"] > 0)


def run_suite(services: Path, junit: Path) -> int:
    """Run pytest on the example; its output goes straight to the terminal."""
    options = ["--wflo-require", f"--wflo-report={services}", f"--junitxml={junit}"]
    # Of the two JUnit dialects only this one names each test's file.
    command = [sys.executable, "-m", "pytest", SUITE, *options, "-o", "junit_family=xunit1"]
    print(f"Running the tests of {SUITE}: Postgres, Redis, Kafka and Temporal start by themselves.")
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def count(junit: Path) -> dict[str, Counter[str]]:
    """Return the number of tests per file for each outcome."""
    names = ("passed", "failed", "skipped", "xfailed")
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in names}
    for case in ET.parse(junit).iter("testcase"):
        outcomes[outcome(case)][case.get("file", "?")] += 1
    return outcomes


def outcome(case: ET.Element) -> str:
    """Return how a test ended."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"


def file_rows(outcomes: dict[str, Counter[str]]) -> list[tuple[str, ...]]:
    """Return a line per test file, with what did not pass, and the sum."""
    files = sorted(set().union(*outcomes.values()))
    rows = []
    for file in files:
        rest = [f"{found[file]} {name}" for name, found in outcomes.items() if found[file]]
        rows.append((file, str(outcomes["passed"][file]), ", ".join(rest[1:])))
    return [*rows, ("total", str(outcomes["passed"].total()), "")]


def service_rows(report: Path) -> list[tuple[str, ...]]:
    """Return a line per server that ran: name, start-up seconds, image and where that is from."""
    services = json.loads(report.read_text())["services"] if report.exists() else []
    return [
        (row["name"], f"{row['seconds'] or 0:.2f} s", f"{row['image']} ({row['origin']})")
        for row in services
    ]


def table(rows: list[tuple[str, ...]]) -> str:
    """Return aligned lines; the second column holds numbers."""
    first, second = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    lines = (f"  {name:<{first}}  {number:>{second}}  {rest}" for name, number, rest in rows)
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
