"""Runs of the benchmarks: what fails, what is judged, what is drawn; nothing is measured here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

import benchmarks.__main__ as benchmarks_main
from benchmarks import containers, plots, trace
from benchmarks import peers as peers_
from benchmarks.bench import Bench
from benchmarks.figures import Summary
from benchmarks.measured import Timing
from benchmarks.processes import Finished
from benchmarks.scenarios import NAMES, SECONDS, peers, scale
from benchmarks.table import Results, Row
from benchmarks.watching import Seen

ROOT = Path(benchmarks_main.__file__).parent.parent


def broken() -> Row:
    raise RuntimeError("no space left")


def test_a_row_that_fails_leaves_the_others_of_its_scenario() -> None:
    bench = Bench()

    rows = [bench.attempt("start: a", broken), bench.attempt("start: b", lambda: Row("start: b"))]

    assert [each.measured for each in rows] == ["failed", "not measured"]
    assert bench.failures == ["start: a"]


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[..., object]], None]:
    """Put a function in the place of a scenario's `measure`, and no Docker."""
    monkeypatch.setattr(benchmarks_main, "_docker_version", lambda: "20.10")

    def put(name: str, measure: Callable[..., object]) -> None:
        module = ModuleType(name)
        module.measure = measure  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"benchmarks.scenarios.{name}", module)

    return put


def test_a_scenario_that_breaks_off_loses_neither_its_rows_nor_the_other_scenarios(
    scenario: Callable[[str, Callable[..., object]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(_bench: Bench) -> Iterator[Row]:
        yield Row("start: the first")
        raise RuntimeError("no space left")

    scenario("start", breaks)
    scenario("idle", lambda _bench: [Row("idle: all")])
    output = tmp_path / "table.md"
    monkeypatch.setattr(sys, "argv", ["benchmarks", "idle", "start", "--output", str(output)])

    code = benchmarks_main.main()

    rows = Results.parse(output.read_text()).rows
    assert code == 1
    assert [each.scenario for each in rows] == [
        "start: the first",
        "start: broke off here",
        "idle: all",
    ]
    assert "no space left" in rows[1].note


def test_every_scenario_is_a_file_and_all_of_them_fit_into_a_quarter_of_an_hour() -> None:
    files = {path.stem for path in (ROOT / "benchmarks" / "scenarios").glob("*.py")}

    assert files - {"__init__"} == set(NAMES)
    assert sum(SECONDS.values()) <= 15 * 60


def test_the_line_of_a_server_is_found_in_what_pytest_prints() -> None:
    output = (
        "....\n================== wflo-testkit ==================\n"
        "postgres  ready in 0.31 s, 20 leases,   15 recycled\n20 passed in 1.20s\n"
    )

    assert Finished(2.0, 0.5, output).closing == (
        "postgres ready in 0.31 s, 20 leases, 15 recycled"
    )
    assert Finished(2.0, 0.5, "20 passed").closing == ""
    assert Finished(2.0, 0.5).rest == 1.5


def a_run(values: list[float], workers: int = 1) -> scale.Of:
    tests = [Timing(at=float(n), out=value, back=0.0) for n, value in enumerate(values)]
    return scale.Of(workers, 600, tests, Seen(connections=16), growth=0, closing="")


def test_a_run_that_gets_slower_is_not_flat() -> None:
    even = a_run([0.002] * 600)
    slower = a_run([0.002] * 500 + [0.004] * 100)

    assert even.unevenness == 1.0
    assert slower.unevenness == 2.0


def test_the_first_hundred_tests_do_not_count_as_uneven() -> None:
    assert a_run([0.5] * 100 + [0.002] * 500).unevenness == 1.0


def judged(*runs: scale.Of) -> Row:
    return scale._judged(
        "connections", "", runs, lambda r: r.seen.connections, lambda r: 10 + 5 * r.workers
    )


def test_more_connections_than_the_workers_of_one_run_may_have_are_a_missed_goal() -> None:
    serial, *parallel = (a_run([0.002] * 600, workers) for workers in scale.WORKERS)
    enough = scale.Of(1, 600, serial.tests, Seen(connections=15), growth=0, closing="")

    assert judged(enough, *parallel).ok == "✔"
    assert judged(serial, *parallel).ok == "✘"
    assert judged(serial, *parallel).measured == "serial 16, -n 2 16, -n 4 16, -n 8 16"


def test_a_run_that_is_missing_or_ended_early_proves_nothing() -> None:
    whole = [a_run([0.002] * 600, workers) for workers in scale.WORKERS[1:]]
    fits = scale.Of(1, 600, whole[0].tests, Seen(connections=15), growth=0, closing="")
    early = scale.Of(1, 601, whole[0].tests, Seen(connections=15), growth=0, closing="")

    assert judged(fits, *whole).ok == "✔"
    assert judged(*whole).ok == "void"
    assert judged(early, *whole).ok == "void"
    assert judged().ok == "void"


def test_drawings_are_svg_that_any_text_can_be_put_on() -> None:
    bars = plots.bars("a < b", [("x & y", 1.0), ("z", 0.25)], caption="<now>")
    lines = plots.lines(
        "t", {"a": [(0, 0.001), (9, 0.002)]}, limit=0.003, limit_text="≤ 3 ms", caption="c"
    )

    for drawing in (bars, lines):
        assert ET.fromstring(drawing).tag.endswith("svg")
    assert ">250 ms<" in bars
    assert "x &amp; y" in bars


def test_a_bar_is_as_long_as_its_share_of_the_longest() -> None:
    root = ET.fromstring(plots.bars("t", [("a", 4.0), ("b", 1.0)], caption=""))
    _background, longest, other = (
        float(rect.get("width", "0")) for rect in root.iter("{http://www.w3.org/2000/svg}rect")
    )

    assert longest == pytest.approx(4 * other, abs=0.2)


def test_drawings_of_a_table_of_ones_own_lie_beside_it(tmp_path: Path) -> None:
    assert benchmarks_main._plots(tmp_path / "table.md") == tmp_path
    assert benchmarks_main._plots(benchmarks_main.RESULTS) == ROOT / "docs" / "plots"


def test_what_a_container_uses_is_counted_without_the_files_the_kernel_may_drop() -> None:
    facts = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 300, "stats": {"inactive_file": 100}},
    }
    client = SimpleNamespace(api=SimpleNamespace(stats=lambda *_a, **_k: facts))

    assert containers.usage(client, "id") == containers.Usage(cpu=2.5, memory=200)


@pytest.mark.parametrize(("step", "module", "path"), trace.STEPS)
def test_the_steps_of_a_traced_start_are_found_in_the_kit(
    step: str, module: str, path: str
) -> None:
    """After renaming one of these functions, rename it in benchmarks/trace.py."""
    home, name = trace.find(module, path)

    assert callable(getattr(home, name)), step


def test_a_peer_that_could_not_be_measured_voids_the_comparison_with_peers() -> None:
    names = [f"{p}, {how}" for p in peers_.WITH_CONTAINERS for how in peers.SETTINGS]
    found = {name: Summary.of([16.0 + n]) for n, name in enumerate(names)}
    kit = {peers.THE_KIT: Summary.of([2.0])}

    assert peers._speed_up(found | kit).ok == "✔"
    assert peers._speed_up({n: found[n] for n in names[:-1]} | kit).ok == "void"
    assert peers._speed_up(found | {peers.THE_KIT: Summary.of([2.1])}).ok == "✘"
