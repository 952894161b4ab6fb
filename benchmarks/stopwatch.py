"""pytest plugin: how long the kit takes to give each test what it asks for, and to take it back.

Counted are the function-scoped fixtures of the four services, each with all that it asks for
itself. Suites import it, too: for `counted`, `asked` and `note`.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

VALUES = "BENCH_VALUES"
"""Variable: each process writes its values to this path and its process id."""
SECONDS = "BENCH_SECONDS"
"""Variable: tests that come later than this after the first give-out are left out."""
OURS = ("postgres_", "redis_", "kafka_", "temporal_")
EVERY = 20
"""Tests between two looks at the memory of the process."""


@dataclass
class Test:
    """at: when it first asked, of time.monotonic; out, back: seconds of give-out and give-back."""

    at: float = 0.0
    out: float = 0.0
    back: float = 0.0
    __test__ = False


@dataclass
class Watch:
    """All that one process has seen. memory: (tests that have ended, bytes)."""

    tests: list[Test] = field(default_factory=list)
    notes: dict[str, list[float]] = field(default_factory=dict)
    memory: list[tuple[int, int]] = field(default_factory=list)
    ended: int = 0
    depth: int = field(default=0, repr=False)
    since: float = 0.0

    def begins(self) -> None:
        """A fixture, or its end, begins; what happens inside of it does not count again."""
        if self.depth == 0:
            self.since = time.monotonic()
        self.depth += 1

    def ends(self, phase: str) -> None:
        self.depth -= 1
        if self.depth == 0:
            test = self.tests[-1]
            setattr(test, phase, getattr(test, phase) + time.monotonic() - self.since)


_watch = Watch()
_NONE = SimpleNamespace(params={})


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """Count what happens inside as part of the test's give-out."""
    _watch.begins()
    try:
        yield
    finally:
        _watch.ends("out")


def asked() -> float:
    """Return when this test first asked the kit for something, of time.monotonic."""
    return _watch.tests[-1].at


def note(name: str, *seconds: float) -> None:
    """Keep values under a name."""
    _watch.notes.setdefault(name, []).extend(seconds)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol() -> bool | None:
    """Begin a test, or leave it out: the first answer that is not None is taken."""
    limit = float(os.environ.get(SECONDS, "inf"))
    first = next((test for test in _watch.tests if test.at), None)
    if first is not None and time.monotonic() > first.at + first.out + limit:
        return True
    _watch.tests.append(Test())
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests with a parameter `turn` take turns."""
    items.sort(key=lambda item: getattr(item, "callspec", _NONE).params.get("turn", -1))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    if fixturedef.scope != "function" or not fixturedef.argname.startswith(OURS):
        return (yield)
    # Finalizers run last in, first out: this one ends what the one below begins.
    fixturedef.addfinalizer(lambda: _watch.ends("back"))
    _watch.begins()
    _watch.tests[-1].at = _watch.tests[-1].at or _watch.since
    try:
        return (yield)
    finally:
        _watch.ends("out")
        fixturedef.addfinalizer(_watch.begins)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look at the memory now and then; the owner of the broker hears of every test."""
    if report.when == "teardown":
        _watch.ended += 1
        if _watch.ended % EVERY == 0:
            _watch.memory.append((_watch.ended, _memory()))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    if VALUES in os.environ:
        values = {
            "tests": [asdict(test) for test in _watch.tests if test.at],
            "notes": _watch.notes,
            "memory": _watch.memory,
            "is_worker": "PYTEST_XDIST_WORKER" in os.environ,
        }
        Path(f"{os.environ[VALUES]}.{os.getpid()}").write_text(json.dumps(values))


def _memory() -> int:
    """Return the resident set of this process in bytes (proc(5), statm); 0 where unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
