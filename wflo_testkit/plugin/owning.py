"""Makes the run's broker in the process that owns it, as the settings say."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from wflo_testkit import __version__, settings
from wflo_testkit.broker.core import Core
from wflo_testkit.runtime.session import Session

if TYPE_CHECKING:
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming
    from wflo_testkit.plugin.live import Live
    from wflo_testkit.runtime.address import Endpoint


def core(live: Live) -> Core:
    """Return a new broker; touches no Docker before it is asked for a server."""
    session = Session(
        live.kit.run,
        policy=live.settings["images"],
        reaper=live.settings["ryuk"],
        keep=live.settings["keep"],
        sockets=live.settings["sockets"],
    )
    warming = _warming(live)
    return Core(
        live.table,
        session,
        _reuse(live, warming, session.find),
        warming,
        external_max_age=live.settings["external_max_age"],
    )


def _warming(live: Live) -> Warming | None:
    """Return this run's way to warm images. In CI none are made: nobody would wait for it."""
    if not live.settings["warm_images"]:
        return None
    from wflo_testkit.broker.warming import Warming

    return Warming.of_user(
        __version__,
        project=live.kit.config.rootpath,
        may_make=not settings.in_ci(os.environ),
    )


def _reuse(live: Live, warming: Warming | None, find: Callable[[], Endpoint]) -> Reuse | None:
    """Return this run's way to kept servers; without one, only look for idle ones."""
    if not live.settings["reuse"]:
        from wflo_testkit.broker.idle import sweep_behind

        sweep_behind(live.kit.run, find)
        return None
    from wflo_testkit.broker.reuse import Reuse

    return Reuse.begin(
        live.kit.run,
        live.kit.config.rootpath,
        warming,
        max_idle=live.settings["reuse_max_idle"],
        policy=live.settings["images"],
        find=find,
    )
