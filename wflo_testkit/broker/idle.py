"""Removes idle and half-made kept servers beside a run that itself keeps none."""

from __future__ import annotations

import contextlib
import threading


def sweep_behind(run: str) -> threading.Thread:
    """Begin to remove them, in the background; loads next to nothing while there are none."""
    thread = threading.Thread(target=_sweep, args=(run,), name="wflo-reuse", daemon=True)
    thread.start()
    return thread


def _sweep(run: str) -> None:
    with contextlib.suppress(Exception):  # the next run tries again; Windows has no such servers
        from wflo_testkit.runtime.reuse.home import Home

        home = Home()
        # A mark of use without a record: a run was killed while it started the server.
        if not (home.files("*.json") or home.files("*.use")):
            return
        from wflo_testkit.runtime.reuse.shelf import Shelf
        from wflo_testkit.runtime.reuse.sweep import sweep

        sweep(Shelf(run, "", 0.0))
