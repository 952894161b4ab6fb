"""Attaching and leaving, over and over, wears nothing out."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.reuse.conftest import Begin
from tests.reuse.parts import kept_by
from wflo_testkit.model import Spec
from wflo_testkit.runtime.reuse.home import Home


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "cycles",
    [20, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_runs_that_come_and_go_leave_nothing(
    begin: Begin, spec: Spec, home: Home, cycles: int
) -> None:
    first = begin()
    kept = first.servers.get(spec).container_id
    first.close()
    files, threads = open_files(), threading.active_count()
    found = set()
    for _ in range(cycles):
        core = begin()
        found.add(core.servers.get(spec).container_id)
        core.close()

    assert found == {kept}
    assert kept_by(home) == [kept]
    assert home.files("*.use") == []
    assert home.files(".draft-*") == []
    assert open_files() <= files
    assert threading.active_count() <= threads
