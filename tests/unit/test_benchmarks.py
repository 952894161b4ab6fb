"""The benchmarks' arithmetic and their table; nothing is measured here."""

from __future__ import annotations

import pytest

from benchmarks.figures import (
    Goal,
    Summary,
    at_most,
    differences,
    doubt,
    duration,
    over_floor,
    ratio,
)
from benchmarks.profiling import in_words
from benchmarks.scenarios import NAMES
from benchmarks.table import TRIED, Results, Row, failed, row
from benchmarks.trace import Step


def of(*values: float) -> Summary:
    return Summary.of(values)


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert of(4, 1, 3, 2).median == 2.5


def test_the_99th_percentile_is_the_nearest_rank() -> None:
    assert Summary.of(float(n) for n in range(1, 201)).p99 == 198
    assert Summary.of(float(n) for n in range(1, 101)).p99 == 99
    assert of(3, 1, 2).p99 == 3


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Summary.of([])


def test_few_values_show_their_largest_and_many_their_99th_percentile() -> None:
    assert str(of(0.001, 0.002, 0.009)) == "2 ms (max 9 ms, n 3)"
    assert str(Summary.of(n / 1000 for n in range(1, 101))) == "50.5 ms (p99 99 ms, n 100)"


def test_pairs_are_compared_in_pairs() -> None:
    assert differences([5.0, 9.0], [1.0, 2.0]) == [4.0, 7.0]
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        differences([5.0, 9.0], [1.0])


def test_the_doubt_about_a_median_shrinks_with_the_root_of_the_number_of_values() -> None:
    few, many = [1.0, 2.0, 3.0, 4.0] * 25, [1.0, 2.0, 3.0, 4.0] * 100

    assert doubt(few) == pytest.approx(2 * doubt(many), rel=0.01)
    assert doubt([2.0] * 9) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0000123, "12.3 µs"),
        (0.0005, "500 µs"),
        (0.00204, "2.04 ms"),
        (0.5, "500 ms"),
        (1.2345, "1.23 s"),
        (28.4, "28.4 s"),
        (123.4, "123 s"),
        (-0.0031, "-3.1 ms"),
    ],
)
def test_durations_have_three_digits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_ratio_needs_a_floor() -> None:
    assert ratio(of(3.0), of(2.0)) == "1.50 x"
    assert ratio(of(3.0), None) == "-"
    assert ratio(of(3.0), of(0.0)) == "-"


def test_a_goal_over_the_floor_moves_with_the_floor() -> None:
    goal = over_floor(0.5, factor=1.25, void_above=1.6)

    assert goal.text == "≤ 1.25 x floor + 500 ms (void if the floor is over 1.6 s)"
    assert goal.verdict(of(1.75), of(1.0)) == "✔"
    assert goal.verdict(of(1.76), of(1.0)) == "✘"


def test_a_floor_that_is_too_slow_voids_the_figure_either_way() -> None:
    goal = over_floor(0.5, void_above=1.6)

    assert goal.verdict(of(0.1), of(1.7)) == "void"
    assert goal.verdict(of(9.0), of(1.7)) == "void"


def test_both_the_median_and_the_99th_percentile_must_fit() -> None:
    goal = at_most(0.002, p99=0.010)

    assert goal.text == "≤ 2 ms, p99 ≤ 10 ms"
    assert goal.verdict(of(0.002, 0.002, 0.010), None) == "✔"
    assert goal.verdict(of(0.002, 0.002, 0.011), None) == "✘"
    assert goal.verdict(of(0.003, 0.003, 0.003), None) == "✘"


def test_without_a_goal_there_is_no_verdict() -> None:
    assert Goal().verdict(of(9.0), of(1.0)) == "-"


def two_runs() -> Results:
    results = Results()
    first = results.begin("2026-01-01; load average at start 0.10; one machine")
    results.replace(
        "handout",
        [row("handout: redis", at_most(0.0005), of(0.0004), of(0.0002), "out 0.3 ms")],
        first,
        NAMES,
    )
    second = results.begin("2026-01-02; load average at start 7.00; one machine")
    results.replace("start", [row("start: all", at_most(3.5), of(4.0))], second, NAMES)
    return results


def test_the_file_is_read_back_as_it_was_written() -> None:
    results = two_runs()
    read = Results.parse(results.render())

    assert read.rows == results.rows
    assert [each.note for each in read.rows] == ["", "out 0.3 ms"]
    assert read.runs == results.runs
    assert read.render() == results.render()


def test_what_was_tried_stands_at_the_end_and_is_no_part_of_the_table() -> None:
    results = two_runs()

    assert results.render().endswith(TRIED.read_text())
    assert Results.parse(results.render()).rows == results.rows


def test_the_table_shows_goal_figures_verdict_and_run() -> None:
    lines = two_runs().render().splitlines()

    assert "| start: all | ≤ 3.5 s | 4 s (max 4 s, n 1) | - | - | ✘ | 2 |" in lines
    assert (
        "| handout: redis | ≤ 500 µs | 400 µs (max 400 µs, n 1) | 200 µs (max 200 µs, n 1) "
        "| 2.00 x | ✔ | 1 |" in lines
    )
    assert "- **handout: redis**: out 0.3 ms" in lines


def test_a_partial_run_replaces_only_the_rows_of_its_scenarios() -> None:
    results = Results.parse(two_runs().render())
    run = results.begin("2026-01-03")
    results.replace("start", [Row("start: all"), Row("start: once more")], run, NAMES)

    assert [(each.scenario, each.run) for each in results.rows] == [
        ("start: all", "3"),
        ("start: once more", "3"),
        ("handout: redis", "1"),
    ]


def test_a_run_without_rows_is_forgotten() -> None:
    results = two_runs()
    results.replace("handout", [], results.begin("2026-01-03"), NAMES)

    assert list(Results.parse(results.render()).runs) == ["2"]


def test_a_cell_cannot_break_the_table() -> None:
    [line] = [str(Row("start: a|b"))]

    assert line.count("|") == 8


def test_what_was_not_measured_says_so() -> None:
    assert Row("suite: a peer").measured == "not measured"


def test_a_traced_start_is_told_by_server_with_its_probes_counted() -> None:
    def step(name: str, what: str, begin: float, end: float) -> Step:
        return Step(step=name, what=what, begin=begin, end=end)

    text = in_words(
        [
            step("reaper", "", 0.5, 0.9),
            step("created", "redis", 0.6, 0.7),
            step("probe", "redis", 1.0, 1.1),
            step("probe", "redis", 1.2, 1.5),
            step("ready", "redis", 0.6, 1.5),
        ]
    )

    assert "reaper 900 ms; redis: created 700 ms, ready 1.5 s, 2 probes" in text
    assert text.endswith("the last took 300 ms")


def test_a_note_of_several_lines_is_read_back_as_one() -> None:
    results = Results()
    run = results.begin("2026-01-01")
    results.replace("start", [Row("start: all", note="one\n  two")], run, NAMES)

    assert [each.note for each in Results.parse(results.render()).rows] == ["one two"]


def test_what_failed_is_a_missed_goal_and_says_why_with_the_end_of_the_output() -> None:
    row_ = failed("start: all", "x" * 500 + "\nE  no space left")

    assert (row_.measured, row_.ok) == ("failed", "✘")
    assert row_.note.endswith("xx E no space left")
    assert len(row_.note) < 400
