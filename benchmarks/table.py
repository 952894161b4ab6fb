"""RESULTS.md: a table of figures, the runs they come from, and notes; read back and updated."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import MISSED, NO_GOAL, Goal, Summary, ratio

HEADINGS = ("scenario", "goal", "measured", "floor", "ratio", "ok", "run")
NOT_MEASURED = "not measured"
_INTRODUCTION = """# Benchmarks

Written by `make bench`, or `python -m benchmarks [NAMES...] [--quick]`, which replaces the rows
of the scenarios that it ran. Measured: the median, with the 99th percentile (or the largest)
and the number of values. Floor: what the same work costs without the kit, measured in the same
run; what it is, each scenario's file in `benchmarks/scenarios/` says. ✔ goal reached, ✘ missed
or failed, void: the machine was too busy to tell, -: no goal. Drawings: `docs/speed.md`.
What was tried for the goals that are missed stands at the end.
"""
TRIED = Path(__file__).with_name("tried.md")
"""Text at the end of the file, written by hand."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. scenario: "<name of the scenario>: <what>"; note: may be empty."""

    scenario: str
    goal: str = NO_GOAL
    measured: str = NOT_MEASURED
    floor: str = NO_GOAL
    ratio: str = NO_GOAL
    ok: str = NO_GOAL
    run: str = ""
    note: str = field(default="", compare=False)

    @property
    def owner(self) -> str:
        """The name of the scenario that measures this row."""
        return self.scenario.partition(":")[0]

    def __str__(self) -> str:
        cells = (getattr(self, name).replace("|", "/") for name in HEADINGS)
        return f"| {' | '.join(cells)} |"


def row(
    scenario: str, goal: Goal, measured: Summary, floor: Summary | None = None, note: str = ""
) -> Row:
    """Return the line for a figure, judged."""
    return Row(
        scenario=scenario,
        goal=goal.text,
        measured=str(measured),
        floor=str(floor) if floor is not None else NO_GOAL,
        ratio=ratio(measured, floor),
        ok=goal.verdict(measured, floor),
        note=note,
    )


def failed(scenario: str, reason: str) -> Row:
    """Return the line for what could not be measured: a goal that was missed, with the end of why.

    The end, because pytest's output has its summary there.
    """
    words = " ".join(reason.split())
    return Row(scenario, measured="failed", ok=MISSED, note=f"failed: ...{words[-300:]}")


@dataclass(slots=True)
class Results:
    """All that RESULTS.md holds. runs: number -> machine, date and load."""

    rows: list[Row] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Results:
        """Read what `render` wrote."""
        notes = dict(re.findall(r"^- \*\*(.+?)\*\*: (.*)$", text, re.MULTILINE))
        runs = dict(re.findall(r"^- run (\d+): (.*)$", text, re.MULTILINE))
        found = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]
        rows = [
            Row(**dict(zip(HEADINGS, cells, strict=True)), note=notes.get(cells[0], ""))
            for cells in found
            if len(cells) == len(HEADINGS) and tuple(cells) != HEADINGS
        ]
        return cls(rows, runs)

    def begin(self, machine: str) -> str:
        """Note a new run and return its number."""
        number = str(max(map(int, self.runs), default=0) + 1)
        self.runs[number] = machine
        return number

    def replace(self, owner: str, rows: Iterable[Row], run: str, order: Sequence[str]) -> None:
        """Put `rows` in place of all that scenario `owner` had; sort scenarios as in `order`."""
        fresh = [dataclasses.replace(each, run=run) for each in rows]
        kept = [each for each in self.rows if each.owner != owner]
        place = {name: number for number, name in enumerate(order)}
        self.rows = sorted([*kept, *fresh], key=lambda each: place.get(each.owner, len(place)))

    def render(self) -> str:
        """Return the file's text; runs that no row refers to are left out."""
        used = {each.run for each in self.rows}
        notes = [f"- **{each.scenario}**: {each.note}" for each in self.rows if each.note]
        notes = [" ".join(note.split()) for note in notes]
        return "\n".join(
            [
                _INTRODUCTION,
                f"| {' | '.join(HEADINGS)} |",
                "|" + "---|" * len(HEADINGS),
                *map(str, self.rows),
                "",
                "## Runs",
                "",
                *(
                    f"- run {number}: {what}"
                    for number, what in self.runs.items()
                    if number in used
                ),
                "",
                "## Where the time goes",
                "",
                *notes,
                "",
                TRIED.read_text(),
            ]
        )
