"""Removes idle and half-made kept servers beside a run that itself keeps none."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflo_testkit.runtime.address import Endpoint


def remove_idle_behind(run: str, find: Callable[[], Endpoint] | None = None) -> threading.Thread:
    """Begin to remove them, in the background; loads next to nothing while there are none.

    find: see DockerSession.
    """
    thread = threading.Thread(target=_sweep, args=(run, find), name="wflo-reuse", daemon=True)
    thread.start()
    return thread


def _sweep(run: str, find: Callable[[], Endpoint] | None) -> None:
    with contextlib.suppress(Exception):  # the next run tries again; Windows has no such servers
        from wflo_testkit.runtime.reuse.user_folder import UserFolder

        home = UserFolder()
        # A mark of use without a record: a run was killed while it started the server.
        if not (home.files("*.json") or home.files("*.use")):
            return
        from wflo_testkit.runtime.reuse.expiry import remove_idle
        from wflo_testkit.runtime.reuse.kept_servers import KeptServers

        remove_idle(KeptServers(run, "", 0.0, find=find))
