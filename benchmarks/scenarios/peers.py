"""The suite of `suite` (writing 2 tables, cold) on other packages, and on the kit.

All on the same image; those that run containers with their own defaults and with the kit's
server settings. pytest-postgresql runs no container: it gets a server that is up already, with
the kit's settings, whose start is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from benchmarks import desk, peers, warmth
from benchmarks.bench import Bench
from benchmarks.figures import MET, MISSED, VOID, Goal, Summary
from benchmarks.processes import Finished
from benchmarks.scenarios import suite
from benchmarks.table import Row, row
from wflo_testkit.model import Server
from wflo_testkit.runtime import images

AS_FAST = 8
"""Times as fast as the fastest container peer: the goal."""
THE_KIT = "the kit"
SETTINGS = ("its defaults", "the kit's server settings")
RATIO = "peers: the kit against the fastest that runs containers (P1)"


def measure(bench: Bench) -> Iterator[Row]:
    interpreter = peers.python(bench)
    if not interpreter:
        for peer in (*peers.WITH_CONTAINERS, peers.WITHOUT):
            yield Row(f"peers: {peer}", note="could not be installed")
        return
    found: dict[str, Summary] = {}
    with desk.servers("postgres") as [server], suite.kit(2) as run:
        for name, seconds in _candidates(bench, interpreter, server, run).items():
            one = partial(_row, bench, name, seconds, found)
            yield bench.attempt(f"peers: {name}", one)
    yield bench.attempt(RATIO, lambda: _speed_up(found))


def _candidates(
    bench: Bench, interpreter: str, server: Server, run: Callable[[], Finished]
) -> Mapping[str, Callable[[], float]]:
    """Return a name and what runs the suite once, for the kit, every peer and its settings."""
    with desk.session() as session:
        spec = desk.spec("postgres")
        image = images.resolve(session.client.client, spec.image).reference
    warmth.settle(bench, run, filled=True)
    candidates: dict[str, Callable[[], float]] = {THE_KIT: lambda: run().wall}
    for peer in peers.WITH_CONTAINERS:
        for how, tuned in zip(SETTINGS, (None, spec), strict=True):
            candidates[f"{peer}, {how}"] = peers.suite(interpreter, peer, image, tuned)
    candidates[f"{peers.WITHOUT}, a running server"] = peers.on_a_server(interpreter, server)
    return candidates


def _row(bench: Bench, name: str, seconds: Callable[[], float], found: dict[str, Summary]) -> Row:
    rounds = bench.times(3, 1) if name == THE_KIT else 1  # half a minute each, of the quarter hour
    found[name] = Summary.of(seconds() for _ in range(rounds))
    return row(f"peers: {name}", Goal(), found[name])


def _speed_up(found: Mapping[str, Summary]) -> Row:
    """Say how many times as fast as the fastest peer with containers the kit is.

    Void where one of them could not be measured: it may have been the fastest.
    """
    rivals = {name: each for name, each in found.items() if name.startswith(peers.WITH_CONTAINERS)}
    fastest = min(rivals, key=lambda name: rivals[name].median)
    kit = found[THE_KIT]
    times = rivals[fastest].median / kit.median
    verdict = MET if times >= AS_FAST else MISSED
    return Row(
        RATIO,
        f"{AS_FAST} x as fast",
        f"{times:.1f} x as fast",
        ok=verdict if len(rivals) == len(peers.WITH_CONTAINERS) * len(SETTINGS) else VOID,
        note=f"{fastest}: {rivals[fastest]}; the kit: {kit}",
    )
