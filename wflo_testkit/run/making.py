"""Makes the broker of a run, as its config says, in the broker's own process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit import __version__, services
from wflo_testkit.broker.broker import Broker
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.service import Service

if TYPE_CHECKING:
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.runtime.address import Endpoint


class Rows(dict[str, Service]):
    """The table of services, each row loaded when it is first asked for.

    One that is broken fails whoever asks for it, and nobody else. Raises SettingError.
    """

    def __missing__(self, name: str) -> Service:
        row = self[name] = services.row(name)
        return row


def make_broker(config: RunConfig) -> Broker:
    """Return a new broker; touches no Docker before it is asked for a server."""
    session = DockerSession(
        config.run,
        policy=config.images,
        reaper=config.ryuk,
        keep=config.keep,
        sockets=config.sockets,
        find=config.find,
    )
    warming = _warming(config)
    return Broker(
        Rows(),
        session,
        _reuse(config, warming),
        warming,
        external_max_age=config.external_max_age,
    )


def _warming(config: RunConfig) -> Warming | None:
    """Return this run's way to warm images."""
    if not config.warm_images:
        return None
    from wflo_testkit.broker.warming import Warming

    return Warming.of_user(__version__, project=config.rootdir, may_make=config.may_make)


def _reuse(config: RunConfig, warming: Warming | None) -> Reuse | None:
    """Return this run's way to kept servers; without one, only look for idle ones."""
    if not config.reuse:
        remove_idle_behind(config.run, config.find)
        return None
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.runtime.reuse.kept_servers import KeptServers
    from wflo_testkit.runtime.reuse.records import project_of

    project, max_idle = project_of(Path(config.rootdir)), config.reuse_max_idle
    kept = KeptServers(config.run, project, max_idle, policy=config.images, find=config.find)
    return Reuse(kept, warming, ends_started=config.ends_reused)


def remove_idle_behind(run: str, find: Callable[[], Endpoint] | None = None) -> threading.Thread:
    """Begin to remove idle and half-made kept servers; loads next to nothing while there are none.

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
