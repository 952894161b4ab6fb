"""A folder of kept servers for one measurement, removed with everything that was kept in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import containers
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.user_folder import CACHE, UserFolder


@contextmanager
def home() -> Iterator[dict[str, str]]:
    """Yield the variables under which `--wflo-reuse` keeps its servers apart from all others."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            # Killed before its end, nothing is kept for longer than this.
            yield {"XDG_CACHE_HOME": folder, "WFLO_TESTKIT_REUSE_MAX_IDLE": "10m"}
        finally:
            home = UserFolder(Path(folder) / CACHE)
            with containers.client() as client:
                containers.remove_labelled(client, f"{labels.HOME}={home.label}")
