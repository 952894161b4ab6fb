"""The service `desks` as a package of its own, for suites that run in processes of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.broker import desks


def install(pytester: pytest.Pytester, environment: pytest.MonkeyPatch, *, more: str = "") -> Path:
    """Put it where the suites of one test find it; returns the folder. more: code at its end."""
    site = pytester.mkdir("site")
    (site / "desks.py").write_text(Path(desks.__file__).read_text() + more)
    metadata = site / "desks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: desks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[wflo_testkit.services]\ndesks = desks:SERVICE\n")
    environment.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return site
