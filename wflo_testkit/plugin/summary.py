"""What a run says about its servers at its end: the table, the report file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wflo_testkit
from wflo_testkit.errors import SettingError, without_passwords
from wflo_testkit.plugin.session import session_of

if TYPE_CHECKING:
    from wflo_testkit.plugin.process import PytestProcess


def write(reporter: pytest.TerminalReporter, process: PytestProcess) -> None:
    """Print a line per server, and write the report file if one is asked for."""
    session = session_of(process.config)
    rows = session.rows()
    if rows:
        reporter.section("wflo-testkit")
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            reporter.line(_line(row, width))
        for note in session.notes():
            reporter.line(note)
    try:
        path = session.settings["report"] if rows else ""
    except SettingError:
        return  # the tests that needed the settings have reported it
    for warning in session.settings.warnings if rows else ():
        reporter.line(f"warning: {warning}", yellow=True)
    if path:
        try:
            _save(Path(path), process, rows)
        except OSError as error:
            reporter.line(f"warning: the report could not be written: {error}", yellow=True)
    if session.settings["debug"]:
        reporter.section("the broker's log")
        reporter.write(without_passwords(session.passwords.mask(process.owner.log)))


def _line(row: dict[str, Any], width: int) -> str:
    name = f"{row['name']:<{width}}"
    if row["error"]:
        return f"{name}  not started: {row['error']}"
    if row["origin"] == "external":
        return f"{name}  external at {row['image']}{_leases(row)}"
    how = {"": "ready", "found": "reused, found", "started": "kept for reuse, ready"}[row["reused"]]
    note = f"; {row['note']}" if row["note"] else ""
    return (
        f"{name}  {how} in {row['seconds']:.2f} s{_leases(row)}, "
        f"{row['image']} ({row['origin']}){note}"
    )


def _leases(row: dict[str, Any]) -> str:
    """Return ", 40 leases (38 recycled, 2 replaced)"; the figures are the service's own."""
    if row["leases"] is None:
        return ""
    figures = ", ".join(f"{number} {word}" for word, number in row["figures"].items())
    return f", {row['leases']} leases" + (f" ({figures})" if figures else "")


def _save(path: Path, process: PytestProcess, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": wflo_testkit.__version__, "run": process.run, "services": rows}
    path.write_text(json.dumps(content, indent=2) + "\n")
