"""What people read: aligned columns, durations, sizes."""

from __future__ import annotations

import pytest

from wflo_testkit.cli.table import aligned, duration, size


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() -> None:
    assert aligned([("A", "LONG"), ("wide", "x"), ("b", "")]) == ["A     LONG", "wide  x", "b"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (8, "8 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (3600, "1 h"),
        (349200, "4 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 MB"), (250_000_000, "250 MB"), (2_540_000_000, "2.5 GB")]
)
def test_a_size_is_in_the_unit_that_fits(count: int, text: str) -> None:
    assert size(count) == text
