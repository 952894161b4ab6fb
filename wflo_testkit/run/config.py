"""What a broker is told of its run: plain data, resolved by the process that owns it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from wflo_testkit import errors
from wflo_testkit.errors import SettingError
from wflo_testkit.model import Json
from wflo_testkit.runtime.address import Endpoint, resolve, ryuk_is_disabled

if TYPE_CHECKING:
    from wflo_testkit.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run. Of plain data alone.

    run: its id. rootdir: the project's folder, absolute. endpoint: the daemon's, or `objection`:
    the error of the setting that names it, as plain data, for whoever needs the daemon.
    ends_reused: whether servers that are kept for reuse, and that this run has started, go at its
    end, if no other run uses them then.
    may_make: whether missing warm images are made. debug: whether the broker's log tells all.
    The rest are the settings of these names.
    """

    run: str
    rootdir: str
    endpoint: Mapping[str, Json] | None
    objection: Mapping[str, Json] | None
    images: str
    ryuk: bool
    keep: bool
    sockets: bool
    reuse: bool
    reuse_max_idle: float
    external_max_age: float
    warm_images: bool
    may_make: bool
    debug: bool
    ends_reused: bool = False

    @classmethod
    def of(cls, run: str, rootdir: Path, settings: Settings) -> Self:
        """Resolve what this process's environment and settings say now. Raises SettingError."""
        from wflo_testkit.settings import in_ci  # the broker, which loads this file, needs none

        endpoint = objection = None
        try:
            endpoint = dataclasses.asdict(resolve())
        except SettingError as error:
            objection = errors.to_json(error)
        return cls(
            run=run,
            rootdir=str(rootdir.absolute()),
            endpoint=endpoint,
            objection=objection,
            images=settings["images"],
            ryuk=settings["ryuk"] and not ryuk_is_disabled(),
            keep=settings["keep"],
            sockets=settings["sockets"],
            reuse=settings["reuse"],
            reuse_max_idle=float(settings["reuse_max_idle"]),
            external_max_age=float(settings["external_max_age"]),
            warm_images=settings["warm_images"],
            # In CI none are made: nobody would wait for it.
            may_make=not in_ci(os.environ),
            debug=settings["debug"],
        )

    def find(self) -> Endpoint:
        """Return the daemon's endpoint. Raises SettingError."""
        if self.endpoint is None:
            raise errors.from_json(dict(self.objection or {}))
        return Endpoint(**self.endpoint)
