"""`wflo-testkit doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import dataclasses
import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit.cli import checks
from wflo_testkit.cli.checks import Check
from wflo_testkit.cli.table import aligned

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

SECTIONS = ("python", "settings", "machine", "docker", "images")
MARKS = {"ok": "ok", "warn": "warn", "error": "ERROR"}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the kit's command line."""
    parser = subparsers.add_parser("doctor", help="check Python, Docker, images and settings")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print every check; 1 when one of them is an error."""
    found = list(checks.everything(Path.cwd()))
    healthy = all(check.status != "error" for check in found)
    if arguments.json:
        rows = [dataclasses.asdict(check) for check in found]
        print(json.dumps({"ok": healthy, "checks": rows}, indent=2))
    else:
        print("\n".join(lines(found)))
        print("\nready" if healthy else "\nnot ready: see ERROR above")
    return 0 if healthy else 1


def lines(found: Iterable[Check]) -> list[str]:
    """Return what people read: a heading per section, a line per check, its remedy below it."""
    text: list[str] = []
    ordered = sorted(found, key=lambda check: SECTIONS.index(check.section))
    for section, group in groupby(ordered, key=lambda check: check.section):
        members = list(group)
        columns = aligned([(f"  {MARKS[c.status]}", c.name, _one_line(c.text)) for c in members])
        text.append(section)
        for check, line in zip(members, columns, strict=True):
            text.append(line)
            if check.fix:
                text.append(f"        -> {check.fix}")
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())
