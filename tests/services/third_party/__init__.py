"""Services of other packages, as tests install them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def installed_as(
    name: str, source: str, pytester: pytest.Pytester, environment: pytest.MonkeyPatch
) -> Path:
    """Install a package with the service `name`: its module and its metadata on the path.

    Returns the folder.
    """
    site = pytester.mkdir("site")
    (site / f"{name}_service.py").write_text(source)
    metadata = site / f"{name}_service-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}-service\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        f"[wflo_testkit.services]\n{name} = {name}_service:SERVICE\n"
    )
    environment.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return site
