"""What pytest is told at its start is what the services' rows say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from wflo_testkit import outline, service, services, settings
from wflo_testkit.service import Option
from wflo_testkit.settings.options import flags

BUILT_IN = {name: services.table()[name] for name in services.BUILT_IN}


def test_the_file_is_what_the_script_writes(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/outline.py", "--check"], cwd=root, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (0, "current\n"), done.stderr


def test_the_options_are_those_that_the_command_line_may_give() -> None:
    assert flags(settings.every(BUILT_IN)) == outline.FLAGS


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_fixtures_are_those_of_the_row(name: str) -> None:
    assert service.fixtures(BUILT_IN[name]) == outline.FIXTURES[name]


def test_a_changed_row_is_noticed() -> None:
    row = BUILT_IN["redis"]
    planted = Option(key="redis_planted", default=1, help="nothing")
    [kind, *_] = row.leases

    assert flags(settings.every(BUILT_IN | {"redis": replace(row, options=(planted,))})) != (
        outline.FLAGS
    )
    assert service.fixtures(replace(row, leases=())) != outline.FIXTURES["redis"]
    assert (
        service.fixtures(replace(row, leases=(replace(kind, doc="new"),)))
        != (outline.FIXTURES["redis"])
    )
