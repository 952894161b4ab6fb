"""A container's output is cut by the time at which a line was written, not at which it was read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.runtime import logs

MOMENT = datetime(2026, 11, 21, 17, 19, 14, 460_000, tzinfo=UTC).timestamp()

FORMS = {
    "Postgres": "{:%Y-%m-%d %H:%M:%S}.{:03d} UTC [60] ERROR:  no such table",
    "Redis": "1:M {:%d %b %Y %H:%M:%S}.{:03d} * Ready",
    "Kafka": "[{:%Y-%m-%d %H:%M:%S},{:03d}] INFO started (kafka.server)",
    "Temporal": "time={:%Y-%m-%dT%H:%M:%S}.{:03d} level=WARN msg=slow",
}


def output(*lines: tuple[float, str]) -> str:
    """Return what Docker returns; each line: when it was read (after MOMENT), and its text."""
    return "".join(f"{stamp(MOMENT + read)} {text}\n" for read, text in lines)


def stamp(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%f}789Z"


def at(form: str, offset: float) -> str:
    """Return a line of that form, written `offset` seconds after MOMENT."""
    written = datetime.fromtimestamp(MOMENT + offset, UTC)
    return form.format(written, written.microsecond // 1000)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_line_that_was_written_before_and_read_after_is_left_out(form: str) -> None:
    before, after = at(form, -0.02), at(form, 0.03)

    assert logs.since(output((0.01, before), (0.04, after)), MOMENT) == f"{after}\n"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_time_of_another_zone_is_not_believed(form: str) -> None:
    text = output((0.01, at(form, -3600)), (0.2, at(form, 3600)))

    assert len(logs.since(text, MOMENT).splitlines()) == 2


def test_a_line_without_a_time_goes_with_the_one_that_it_continues() -> None:
    before = at(FORMS["Postgres"], -0.02)
    text = output((0.01, before), (0.011, "  its second line"), (0.3, "by itself"))

    assert logs.since(text, MOMENT) == "by itself\n"


@given(st.text().filter(lambda line: "\n" not in line))
def test_a_line_with_no_time_of_its_own_has_the_one_of_its_reading(line: str) -> None:
    assert logs.since(output((0.01, line)), MOMENT) == f"{line}\n"
    assert logs.since(output((-0.01, line)), MOMENT) == ""


def test_a_day_that_does_not_exist_is_no_time() -> None:
    line = "1:M 32 Nov 2026 17:19:14.441 *"

    assert logs.since(output((0.01, line)), MOMENT) == f"{line}\n"
