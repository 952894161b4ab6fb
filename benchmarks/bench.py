"""What a scenario gets: how often to repeat, where to report progress, what failed so far."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import Row, failed

PLOTS = Path(__file__).parent.parent / "docs" / "plots"


class BenchmarkFailed(RuntimeError):
    """Something that was to be measured did not work; the message has its output."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks.

    quick: a trial, too few values to judge by. plots: the folder for drawings. caption: what
    they say about the run. failures: the rows that could not be measured.
    """

    quick: bool = False
    plots: Path = PLOTS
    caption: str = ""
    failures: list[str] = field(default_factory=list)

    def times(self, full: int, quick: int) -> int:
        """Return how often to repeat."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    def attempt(self, scenario: str, measure: Callable[[], Row]) -> Row:
        """Return the row that `measure` makes, or one that says why it could not."""
        [made] = self.attempt_all([scenario], lambda: [measure()])
        return made

    def attempt_all(
        self, scenarios: Sequence[str], measure: Callable[[], Sequence[Row]]
    ) -> Sequence[Row]:
        """Return the rows that `measure` makes at once, or as many that say why it could not."""
        try:
            made = measure()
        except Exception as error:  # noqa: BLE001 - the other rows are still worth measuring
            self.failures.extend(scenarios)
            made = [failed(scenario, reason(error)) for scenario in scenarios]
            self.say(reason(error))
        for each in made:
            self.say(f"{each.scenario}: {each.measured} {each.ok}")
        return made

    def draw(self, name: str, svg: str) -> None:
        """Write a drawing."""
        self.plots.mkdir(parents=True, exist_ok=True)
        (self.plots / f"{name}.svg").write_text(svg)


def reason(error: BaseException) -> str:
    """Say in words what went wrong, with the output of a process that took too long."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, subprocess.TimeoutExpired) and isinstance(error.output, bytes):
        text += f"\n{error.output.decode(errors='replace')[-2000:]}"
    return text
