"""Makes the broker of a run, as its config says, in the broker's own process."""

from __future__ import annotations

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
        from wflo_testkit.broker.expiring import remove_idle_behind

        remove_idle_behind(config.run, config.find)
        return None
    from wflo_testkit.broker.reuse import Reuse

    return Reuse.begin(
        config.run,
        Path(config.rootdir),
        warming,
        max_idle=config.reuse_max_idle,
        policy=config.images,
        find=config.find,
    )
