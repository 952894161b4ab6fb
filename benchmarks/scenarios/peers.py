"""The suite of `suite` (writing 2 tables, cold) on other packages, in turns with the kit.

All on the same image; those that run containers with their own defaults and with the kit's
server settings. pytest-postgresql runs no container: it gets a server that is up already, with
the kit's settings, whose start is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from benchmarks import desk, peers
from benchmarks.bench import Bench
from benchmarks.figures import MET, MISSED, Goal, Summary
from benchmarks.scenarios import suite
from benchmarks.table import Row, row
from wflo_testkit.model import Server
from wflo_testkit.runtime import images

AS_FAST = 8
"""Times as fast as the fastest container peer: the goal."""
RATIO = "peers: the kit against the fastest that runs containers (P1)"


def measure(bench: Bench) -> Iterator[Row]:
    interpreter = peers.python(bench)
    if not interpreter:
        for peer in (*peers.WITH_CONTAINERS, peers.WITHOUT):
            yield Row(f"peers: {peer}", note="could not be installed")
        return
    found: dict[str, Summary] = {}
    with desk.servers("postgres") as [server]:
        for name, seconds in _candidates(interpreter, server).items():
            what = f"peers: {name}"
            yield bench.attempt(what, lambda n=name, s=seconds: _row(bench, n, s, found))  # type: ignore[misc]
    yield bench.attempt(RATIO, lambda: _speed_up(found))


def _candidates(interpreter: str, server: Server) -> Mapping[str, Callable[[], float]]:
    """Return a name and what runs the suite once, for the kit, every peer and its settings."""
    with desk.session() as session:
        spec = desk.spec("postgres")
        image = images.resolve(session.client.client, spec.image).reference
    run = suite.kit(2)
    candidates: dict[str, Callable[[], float]] = {"the kit": lambda: run().wall}
    for peer in peers.WITH_CONTAINERS:
        for how, tuned in (("its defaults", None), ("the kit's server settings", spec)):
            candidates[f"{peer}, {how}"] = peers.suite(interpreter, peer, image, tuned)
    candidates[f"{peers.WITHOUT}, a running server"] = peers.on_a_server(interpreter, server)
    return candidates


def _row(bench: Bench, name: str, seconds: Callable[[], float], found: dict[str, Summary]) -> Row:
    found[name] = Summary.of(seconds() for _ in range(bench.times(2, 1)))
    return row(f"peers: {name}", Goal(), found[name])


def _speed_up(found: Mapping[str, Summary]) -> Row:
    """Say how many times as fast as the fastest peer with containers the kit is."""
    rivals = {name: each for name, each in found.items() if name.startswith(peers.WITH_CONTAINERS)}
    fastest = min(rivals, key=lambda name: rivals[name].median)
    times = rivals[fastest].median / found["the kit"].median
    return Row(
        RATIO,
        f"{AS_FAST} x as fast",
        f"{times:.1f} x as fast",
        ok=MET if times >= AS_FAST else MISSED,
        note=f"{fastest}: {rivals[fastest]}; the kit: {found['the kit']}",
    )
