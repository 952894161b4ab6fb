"""The servers that a test has to itself go after it, each of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Run

RESISTS = """

from dataclasses import replace

class Resists(Shelf):
    def close(self, kept=()):
        raise OSError("the shelf is locked")

SERVICE = replace(SERVICE, isolation=Resists)
"""
SUITE = """
import docker
import pytest

mine = []

@pytest.mark.wflo(one="own_server", two="own_server")
def test_own(one_book, two_book):
    mine.extend(each.server.container_id for each in (one_book, two_book))

def test_next():
    client = docker.from_env()
    there = {each["Id"] for each in client.api.containers(all=True)}
    client.close()
    assert len(mine) == 2
    assert there.isdisjoint(mine)
"""
SERVERS = """
[tool.wflo-testkit.servers.one]
service = "notes"

[tool.wflo-testkit.servers.two]
service = "notes"
"""


@pytest.fixture
def resists(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch, root: Path) -> None:
    """A service of another package whose isolation cannot be closed."""
    site = pytester.mkdir("site")
    source = (root / "tests/services/third_party/notes_service.py").read_text()
    (site / "notes_service.py").write_text(source + RESISTS)
    metadata = site / "notes_service-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: notes-service\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[wflo_testkit.services]\nnotes = notes_service:SERVICE\n"
    )
    fresh_environment.setenv("PYTHONPATH", str(site), prepend=os.pathsep)


@pytest.mark.slow
@pytest.mark.usefixtures("resists")
def test_one_that_cannot_be_closed_is_told_and_keeps_neither_itself_nor_the_others(
    run_suite: Run,
) -> None:
    result = run_suite(SUITE, pyproject=SERVERS)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*the shelf is locked*"])
