"""The table of docs/reliability.md is what a whole soak has counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lifecycle.soak import ledger, test_kills, test_rounds
from tests.lifecycle.soak.count import Count


def whole() -> list[ledger.Row]:
    return [ledger.Row(what, count, 0, 0, 0, 60.0) for what, count in ledger.PLAN.items()]


def test_the_plan_is_what_the_tests_do() -> None:
    kills = {f"kill -9, {phase}": count for phase, count in test_kills.KILLS.items()}

    assert kills.items() <= ledger.PLAN.items()
    assert sum(kills.values()) == 100
    assert ledger.PLAN["rounds of 8 runs at once"] == test_rounds.ROUNDS == 20
    assert len(test_rounds.EIGHT) == 8


def test_a_row_is_written_down_with_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "ROWS", tmp_path)
    count = Count()
    with ledger.row("kill -9, creating", count):
        count.done = 18
        count.leaked.append("in Docker: something")

    [row] = ledger.rows(tmp_path)
    assert (row.what, row.done, row.leaked, row.hurt) == ("kill -9, creating", 18, 1, 0)


def test_a_soak_that_is_not_whole_is_seen() -> None:
    assert ledger.missing(whole()) == []
    assert ledger.missing(whole()[1:]) == ["kill -9, creating"]
    fewer = ledger.Row("kill -9, creating", 17, 0, 0, 0, 1.0)
    assert ledger.missing([fewer, *whole()[1:]]) == ["kill -9, creating"]


def test_the_table_goes_between_the_markers() -> None:
    page = f"before\n{ledger.BEGIN}\nold\n{ledger.END}\nafter\n"
    text = ledger.table(whole(), {"date": "today"})
    new = ledger.put_into(page, text)

    assert new.startswith("before\n")
    assert new.endswith("after\n")
    assert "old" not in new
    assert "| kill -9, creating | 18 | 0 | 0 | 0 | 60 |" in new
    with pytest.raises(ValueError, match="no markers"):
        ledger.put_into("nothing", text)


def test_the_page_has_every_row_of_the_plan() -> None:
    lines = ledger.PAGE.read_text().splitlines()

    for what, count in ledger.PLAN.items():
        assert sum(line.startswith(f"| {what} | {count} |") for line in lines) == 1, what
