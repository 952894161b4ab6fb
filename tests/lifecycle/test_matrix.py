"""Four workers share one container per service, however they are scheduled and however they end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.events import Event, Events, judge, listening
from tests.lifecycle.runs import Launched

SERVICES = {"redis", "notes"}
FILES = 6

TESTS = """
import time
import pytest
from conftest import put
from wflo_testkit.wait import pause

@pytest.fixture(autouse=True)
def noted(request):
    yield
    put(f"ended-{{request.node.name}}", time.time())

{extra}

@pytest.mark.parametrize("n", range(4))
def test_on_both(redis_client, notes_book, n):
    assert redis_client.dbsize() == 0
    redis_client.set("left", "behind")
    assert notes_book.write("first") == 1
    pause(0.05)
"""
FAILS = "def test_fails(redis_client): assert False"
# The first of its file: what a crash hands back to --dist loadfile must be two tests or more, and
# no whole file, or the replaced worker waits for ever (pytest-xdist#1327 and #1378, in 3.8).
CRASHES = """
def test_crashes_once(redis_client):
    import os
    from conftest import HERE
    if not (HERE / "crashed").exists():  # --dist loadfile tries it again
        put("crashed")
        os._exit(3)
"""

ENDINGS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "pass": ("", (), "24 passed"),
    "-x": (FAILS, ("-x",), "1 failed"),
    "crash": (CRASHES, (), "1 failed, 2"),
    "random": ("", ("-p", "randomly"), "24 passed"),
}
"""Ending -> what one of the files also holds, options, and what the last line says.

After a crash 24 have passed, or 25 where it was tried again."""

SCHEDULES = ("load", "loadfile", "worksteal")


@pytest.fixture
def notes(tmp_path: Path) -> str:
    """A folder with the notes service installed, for PYTHONPATH."""
    site = tmp_path / "site"
    metadata = site / "notes_service-1.0.dist-info"
    metadata.mkdir(parents=True)
    source = Path(__file__).parents[1] / "services" / "third_party" / "notes_service.py"
    (site / "notes_service.py").write_text(source.read_text())
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: notes-service\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[wflo_testkit.services]\nnotes = notes_service:SERVICE\n"
    )
    return os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


Judged = Callable[..., tuple[Launched, list[str]]]


@pytest.fixture
def judged(launch: Launch, notes: str, events: Events) -> Judged:
    """judged(*options, extra="", conftest=""): a run with four workers, and what is wrong."""

    def judged(*options: str, extra: str = "", conftest: str = "") -> tuple[Launched, list[str]]:
        texts = {f"test_{n}.py": TESTS.format(extra=extra if n == 2 else "") for n in range(FILES)}
        texts |= {"conftest.py": conftest, "test_it.py": ""}
        run = launch("-n", "4", *options, texts=texts, PYTHONPATH=notes)
        run.process.wait(100)
        ended = [float(path.read_text()) for path in run.folder.glob("ended-*")]
        return run, judge(
            events.until_destroyed(run.run, least=len(SERVICES)), SERVICES, max(ended)
        )

    return judged


CELLS = [
    pytest.param(schedule, ending, id=f"{schedule}, {ending}")
    for schedule in SCHEDULES
    for ending in ENDINGS
]


@pytest.mark.slow
@pytest.mark.parametrize(("schedule", "ending"), CELLS)
def test_one_container_per_service_from_the_first_test_to_the_last(
    judged: Judged, schedule: str, ending: str
) -> None:
    extra, options, says = ENDINGS[ending]
    run, complaints = judged("--dist", schedule, *options, extra=extra)

    assert says in run.output, run.output
    assert complaints == []
    assert run.is_gone(0)


EACH_WORKER_ITS_OWN = """
import dataclasses

def pytest_wflo_spec(spec):
    return dataclasses.replace(spec, per_process=True)
"""
RESTARTED = """
def test_restarts(redis_server):
    import docker
    client = docker.from_env()
    client.containers.get(redis_server.container_id).restart(timeout=0)
    client.close()
"""
REMOVED = """
def test_removes(notes_server):
    import docker
    client = docker.from_env()
    client.containers.get(notes_server.container_id).remove(force=True, v=True)
    client.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        ({"conftest": EACH_WORKER_ITS_OWN}, "redis: 4 containers"),
        ({"extra": RESTARTED}, "started 2 times"),
        ({"extra": REMOVED}, "removed before the last test"),
    ],
    ids=["a set per worker", "a restart", "an early removal"],
)
def test_a_planted_fault_is_complained_about(
    judged: Judged, faults: dict[str, str], complaint: str
) -> None:
    _, complaints = judged("--dist", "load", **faults)

    assert any(complaint in each for each in complaints), complaints


def test_each_kind_of_fault_has_its_complaint() -> None:
    def happened(*actions: str, container: str = "c1", service: str = "redis") -> list[Event]:
        return [Event(a, container, service, "r", at) for at, a in enumerate(actions, 1)]

    sound = happened("create", "start", "kill", "die", "destroy")
    assert judge(sound, {"redis"}, 2.5) == []
    assert judge(sound, {"redis"}, 3.5) == ["redis c1: removed before the last test"]
    assert judge(sound, {"redis", "notes"}, 2.5) == ["notes: 0 containers"]
    assert judge(sound, set(), 2.5) == ["redis: not asked for"]
    assert judge(sound[:2], {"redis"}, 2.5) == ["redis c1: not removed"]
    twice = sound + happened("create", "start", "die", "destroy", container="c2")
    assert judge(twice, {"redis"}, 2.5) == ["redis: 2 containers"]
    again = happened("create", "start", "kill", "die", "start", "die", "destroy")
    assert judge(again, {"redis"}, 2.5) == ["redis c1: started 2 times"]
