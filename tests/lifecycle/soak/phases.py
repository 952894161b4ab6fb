"""The moments of a run at which it is killed, and what holds a run in one until it is dead.

A hook is appended to the conftest.py of the run that is to die. It announces by a file `in-*` that
the phase has begun, lets the kit do the work of that phase, and then stays in it for good: a kill
a random time after the announcement falls into the work, or into the moment after its last step.
Should a run ever come out of the phase alive, it says so by a file `past`, and does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice

FRESH = "fresh"
"""The run starts its own servers."""
KEPT = "kept"
"""It uses kept servers, beside a bystander that uses the same ones."""
FIRST = "first"
"""It is the first in its cache folder to keep servers: it starts them and writes them down."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One way to be in a phase.

    way: FRESH, KEPT or FIRST. text: for conftest.py; "" for a kill at any moment.
    span: seconds after the announcement, or after the start of Python, within which the kill comes.
    everywhere: whether every worker has to have announced it. seconds: how long each test works.
    """

    way: str
    text: str
    span: float = 0.8
    everywhere: bool = False
    seconds: float = 0.0


CREATE = """
from wflo_testkit.runtime.{module} import {place}

around({place}, "create", before=enter, after=stay)
"""
START = """
from wflo_testkit.runtime.{module} import {place}
from wflo_testkit.runtime.containers import Containers

around({place}, "wait_for_reaper", after=enter)
around(Containers, "_running", before=stay)
"""
GUARDED = """
from wflo_testkit.runtime.docker_session import DockerSession

create = DockerSession.create

def create_guarded(self, *args, **kwargs):
    self.wait_for_reaper()
    return create(self, *args, **kwargs)

DockerSession.create = create_guarded
"""
"""For a run whose guards die with it: only Ryuk is left, so nothing is made before it holds.

What is made before, and not started, stays for the next run's sweep: see test_window.py.
"""
RECORD = """
from wflo_testkit.runtime.reuse import user_folder
from wflo_testkit.wait import pause

write = user_folder.UserFolder.write

class Slowly:
    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, text):
        middle = len(text) // 2
        self.file.write(text[:middle])
        self.file.flush()
        enter()
        for letter in text[middle:]:
            pause(0.001)
            self.file.write(letter)
            self.file.flush()
        stay()

class os_with_slow_files:
    def __getattr__(self, name):
        return getattr(os, name)

    def fdopen(self, *args):
        return Slowly(os.fdopen(*args))

def write_slowly(self, name, text):
    user_folder.os = os_with_slow_files() if name.endswith(".json") else os
    write(self, name, text)

user_folder.UserFolder.write = write_slowly
"""
TEMPLATE = """
def make_schema(url):
    import psycopg
    from wflo_testkit.wait import pause
    with psycopg.connect(url) as database:
        for number in range(12):
            database.execute(f"create table part_{number} (id int primary key)")
            database.commit()
            pause(0.03)
            if number == 2:
                enter()
        database.execute("create table uncommitted (id int)")
        stay()
"""
RUNNING = """
worked = enter

def ended():
    put("past")
"""
RELEASE = """
from wflo_testkit.broker.leases import Leases

around(Leases, "release", before=enter, after=stay)
"""
CLOSE = """
from wflo_testkit.broker.broker import Broker

around(Broker, "close", before=enter, after=stay)
"""

_OWN = {"module": "docker_session", "place": "DockerSession"}
_FOR_REUSE = {"module": "reuse.place", "place": "KeptPlace"}

PHASES: dict[str, tuple[Hook, ...]] = {
    "creating": (
        Hook(FRESH, CREATE.format(**_OWN)),
        Hook(FRESH, START.format(**_OWN)),
        Hook(FIRST, CREATE.format(**_FOR_REUSE)),
        Hook(FIRST, START.format(**_FOR_REUSE)),
    ),
    "record half-written": (Hook(FIRST, RECORD),),
    "template half-made": (Hook(FRESH, TEMPLATE), Hook(KEPT, TEMPLATE)),
    "test running": (
        Hook(FRESH, RUNNING, everywhere=True, seconds=100),
        Hook(KEPT, RUNNING, everywhere=True, seconds=100),
    ),
    "teardown": (
        Hook(FRESH, RELEASE),
        Hook(KEPT, RELEASE),
        Hook(FRESH, CLOSE),
        Hook(KEPT, CLOSE),
    ),
    "any moment": (Hook(FRESH, "", span=8), Hook(KEPT, "", span=8), Hook(FIRST, "", span=8)),
}
"""Phase -> the ways to be in it, in turn."""


def hooks(phase: str, count: int) -> list[Hook]:
    """Return `count` hooks of a phase, those that share servers next to each other."""
    chosen = list(islice(cycle(PHASES[phase]), count))
    return sorted(chosen, key=lambda hook: hook.way)
