"""100 tests on 30 tables, whole processes.

Each test commits a row into 2 (P1b: 10) tables over a connection of its own and reads them back.
Floor: the same statements over one pooled connection to a running server, no isolation.
Peers: on the same image, each with its own defaults and with the kit's server settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import desk, peers, processes
from benchmarks.bench import Bench
from benchmarks.desk import Desk
from benchmarks.figures import MET, MISSED, Goal, Summary, over_floor
from benchmarks.suites.models import metadata
from benchmarks.table import Row, row
from wflo_testkit.broker.core import Core
from wflo_testkit.runtime import images

AS_FAST = 8
"""Times as fast as the fastest container peer: the goal."""
_SOURCES = Path(__file__).parent.parent / "suites"


def measure(bench: Bench) -> Iterator[Row]:
    for tables, name in ((2, "P1"), (10, "P1b")):
        measured, floor = _compared(bench, tables)
        what = f"suite: 100 tests x 30 tables, writing {tables}, cold ({name})"
        yield row(what, over_floor(1.2), measured, floor)
    yield Row("suite: the same, containers reused (P2)", over_floor(0.4).text, note="no reuse yet")
    yield from _against_peers(bench)


def _compared(bench: Bench, tables: int) -> tuple[Summary, Summary]:
    """Return the kit's seconds and the floor's."""
    with desk.broker() as core:
        url = _database(core)
        candidates = {
            "floor": _suite("floor", tables, kit=False, url=url),
            "kit": _suite("kit", tables, kit=True),
        }
        for each in candidates.values():
            each()
        found = processes.in_turns(bench, bench.times(5, 1), candidates)
    return Summary.of(found["kit"]), Summary.of(found["floor"])


def _database(core: Core) -> str:
    """Start a server with the tables in it and return their database's URL."""
    import sqlalchemy

    address = Desk.of(core, "postgres").server.address  # type: ignore[attr-defined]
    engine = sqlalchemy.create_engine(address.sqlalchemy_url("psycopg"))
    metadata().create_all(engine)
    engine.dispose()
    return str(address.url())


def _suite(conftest: str, tables: int, *, kit: bool, url: str = "") -> Callable[[], float]:
    files = {
        "conftest.py": (_SOURCES / f"{conftest}.py").read_text(),
        "test_rows.py": (_SOURCES / "rows.py").read_text(),
    }
    variables = {
        "BENCH_TABLES": str(tables),
        "BENCH_URL": url,
        "PYTHONPATH": str(processes.ROOT),
    }

    def seconds() -> float:
        if url:
            _empty(url)
        with processes.folder(files) as where:
            return processes.pytest(where, kit=kit, variables=variables).wall

    return seconds


def _empty(url: str) -> None:
    """Remove the rows of the run before: nothing isolates the floor's tests."""
    import psycopg

    with psycopg.connect(url) as connection:
        for table in metadata().sorted_tables:
            connection.execute(f"TRUNCATE {table.name} CASCADE".encode())


def _against_peers(bench: Bench) -> Iterator[Row]:
    """Yield a row per peer and server settings, in turns with the kit."""
    interpreter = peers.python(bench)
    if not interpreter:
        for peer in peers.PEERS:
            yield Row(f"suite: {peer}", note="could not be installed")
        return
    with desk.session() as session:
        spec = desk.spec("postgres")
        image = images.resolve(session.client.client, spec.image).reference
    candidates = {"kit": _suite("kit", 2, kit=True)}
    for peer in peers.PEERS:
        for how, tuned in (("its defaults", None), ("the kit's server settings", spec)):
            name = f"{peer.replace('_', '-')}, {how}"
            candidates[name] = peers.suite(interpreter, peer, image, tuned)
    seconds = processes.in_turns(bench, bench.times(2, 1), candidates)
    found = {name: Summary.of(values) for name, values in seconds.items()}
    kit = found.pop("kit")
    for name, measured in found.items():
        yield row(f"suite: {name}", Goal(), measured)
    yield _speed_up(kit, found)


def _speed_up(kit: Summary, found: dict[str, Summary]) -> Row:
    """Return the row that says how many times as fast as the fastest peer the kit is."""
    fastest = min(found, key=lambda name: found[name].median)
    times = found[fastest].median / kit.median
    return Row(
        "suite: the kit against the fastest container peer (P1)",
        f"{AS_FAST} x as fast",
        f"{times:.1f} x as fast",
        ok=MET if times >= AS_FAST else MISSED,
        note=f"{fastest}: {found[fastest]}; the kit in turns with it: {kit}",
    )
