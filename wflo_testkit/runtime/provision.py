"""Getting every image onto the daemon: pulled where a registry answers, built where none does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wflo_testkit import catalog
from wflo_testkit.runtime import build, images, pull

if TYPE_CHECKING:
    import docker


@dataclass(frozen=True, slots=True)
class ImageState:
    """What the daemon has of one entry.

    official_here, local_here: whether it has the published image and the stand-in.
    current: whether the stand-in was built from today's files. serves: "official", "local" or
    "" for none, as policy "auto" would choose.
    """

    name: str
    official: str
    local: str
    official_here: bool
    local_here: bool
    current: bool
    serves: str


def states(client: docker.DockerClient, names: Sequence[str] = ()) -> list[ImageState]:
    """Return the state of the images of `names`, by default of every service."""
    return [_state(client, entry) for entry in catalog.named(names)]


def provide(
    client: docker.DockerClient,
    names: Sequence[str] = (),
    *,
    source: str = "auto",
    report: build.Report,
) -> None:
    """Bring the images of `names` onto the daemon; what is there is left alone.

    names: of what tests can run; by default all services, in the versions that the kit pins.

    source: "official" pulls and never builds, "local" builds and never pulls, "auto" builds what
    cannot be pulled. Once a registry has not answered, it is not asked again.
    Raises ImageUnavailable.
    """
    missing = [e for e in catalog.named(names) if not _is_here(client, e, source)]
    answered = False
    if source != "local":
        missing, answered = _pull_all(client, missing, report)
    if missing and source == "official":
        # Once more, for its error: it names the image, the cause and the remedy.
        images.resolve(client, missing[0].official, policy="official")
    if missing:
        build.build(client, [e.name for e in missing], report=report, may_pull=answered)


def _is_here(client: docker.DockerClient, entry: catalog.ImageEntry, source: str) -> bool:
    if source != "local" and images.inspect(client, entry.official) is not None:
        return True
    return source != "official" and build.is_current(client, entry)


def _pull_all(
    client: docker.DockerClient, wanted: list[catalog.ImageEntry], report: build.Report
) -> tuple[list[catalog.ImageEntry], bool]:
    """Pull what can be pulled; return what could not, and whether a registry answered at all."""
    if not wanted:
        return [], False
    # The first one tells whether anybody answers; the rest need not wait for one another.
    first, *rest = wanted
    failed: list[catalog.ImageEntry] = []
    if not _pull_one(client, first, report, failed):
        report("images", "failed: no registry answers, so local stand-ins are built")
        return wanted, False
    threads = [
        threading.Thread(target=_pull_one, args=(client, entry, report, failed), daemon=True)
        for entry in rest
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed, True


def _pull_one(
    client: docker.DockerClient,
    entry: catalog.ImageEntry,
    report: build.Report,
    failed: list[catalog.ImageEntry],
) -> bool:
    """Pull `entry`, or add it to `failed`; return whether its registry answered."""
    report(entry.name, f"pull {entry.official}")
    try:
        pull.pull(client, entry.official, report=lambda line: report(entry.name, line))
    except pull.PullFailed as error:
        report(entry.name, f"failed: {error}")
        failed.append(entry)
        return error.reachable
    report(entry.name, f"done: {entry.official}")
    return True


def _state(client: docker.DockerClient, entry: catalog.ImageEntry) -> ImageState:
    official_here = images.inspect(client, entry.official) is not None
    local_here = images.inspect(client, entry.local) is not None
    return ImageState(
        name=entry.name,
        official=entry.official,
        local=entry.local,
        official_here=official_here,
        local_here=local_here,
        current=local_here and build.is_current(client, entry),
        serves="official" if official_here else "local" if local_here else "",
    )
