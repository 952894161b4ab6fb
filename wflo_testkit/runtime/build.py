"""Building the local stand-ins from containers/, side by side, and only what has changed."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit import catalog
from wflo_testkit.errors import ImageUnavailable, TestkitError
from wflo_testkit.runtime import images, inputs, pull, rootfs

if TYPE_CHECKING:
    import docker

Report = Callable[[str, str], None]
"""Called with an entry's name and one line of progress, from several threads."""


def is_current(client: docker.DockerClient, entry: catalog.ImageEntry) -> bool:
    """Tell whether the daemon has the stand-in of `entry`, built from today's inputs."""
    here = images.inspect(client, entry.local)
    if here is None:
        return False
    labels = here["Config"].get("Labels") or {}
    return bool(labels.get(inputs.LABEL) == inputs.digest(entry))


def build(
    client: docker.DockerClient,
    names: Iterable[str],
    *,
    report: Report,
    no_cache: bool = False,
    may_pull: bool = True,
) -> list[str]:
    """Build the stand-ins of `names` and what they need; return what was really built.

    no_cache: build even what is current, without the daemon's layer cache. may_pull: whether a
    registry may be asked for the base image. Independent images are built at the same time. A
    killed build leaves nothing that a later one could take for complete: a tag is set last.
    Raises ImageUnavailable with the end of the failed build's output.
    """
    with _alone(report):
        wanted = [entry for entry in _closure(names) if no_cache or not is_current(client, entry)]
        _Run(client, wanted, report, no_cache=no_cache, may_pull=may_pull).all()
    return [entry.name for entry in wanted]


def _closure(names: Iterable[str]) -> list[catalog.ImageEntry]:
    """Return the entries of `names` and all that they need, each after its needs."""
    ordered: dict[str, catalog.ImageEntry] = {}

    def add(name: str) -> None:
        entry = catalog.entries()[name]
        for need in entry.needs:
            add(need)
        ordered.setdefault(name, entry)

    for name in names:
        add(name)
    return list(ordered.values())


class _Run:
    """One call of `build`: a thread for each image, waiting for what it needs."""

    def __init__(
        self,
        client: docker.DockerClient,
        entries: list[catalog.ImageEntry],
        report: Report,
        *,
        no_cache: bool,
        may_pull: bool,
    ) -> None:
        self._client = client
        self._entries = entries
        self._report = report
        self._no_cache = no_cache
        self._may_pull = may_pull
        self._done = {entry.name: threading.Event() for entry in entries}
        self._errors: dict[str, BaseException] = {}

    def all(self) -> None:
        """Build every entry; raise the first error, once nothing is being built any more."""
        # Daemon threads: Ctrl-C ends the process, and with its connections the builds.
        for entry in self._entries:
            threading.Thread(target=self._one, args=(entry,), daemon=True).start()
        for done in self._done.values():
            done.wait()
        for error in self._errors.values():
            raise error

    def _one(self, entry: catalog.ImageEntry) -> None:
        try:
            for need in entry.needs:
                if need in self._done:
                    self._done[need].wait()
            if failed := [need for need in entry.needs if need in self._errors]:
                self._errors[entry.name] = self._errors[failed[0]]
            else:
                self._build(entry)
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self._errors[entry.name] = error
            self._report(entry.name, "failed")
        finally:
            self._done[entry.name].set()

    def _build(self, entry: catalog.ImageEntry) -> None:
        def say(line: str) -> None:
            self._report(entry.name, line)

        tags = {n.partition("-")[0].upper(): catalog.entries()[n].local for n in entry.needs}
        arguments = {**entry.args, **tags}
        if entry.rootfs:
            arguments["ROOTFS"] = self._rootfs(entry, say)
        say("build")
        _follow(entry, self._send(entry, arguments), say)
        say(f"done: {entry.local}")

    def _rootfs(self, entry: catalog.ImageEntry, say: Callable[[str], None]) -> str:
        """Return the image to start from: the published one, or a tree made on this machine."""
        if images.inspect(self._client, entry.official):
            return entry.official
        if self._may_pull:
            try:
                pull.pull(self._client, entry.official, report=say)
            except pull.PullFailed:
                say(f"{entry.official} cannot be pulled")
            else:
                return entry.official
        return rootfs.ensure(self._client, entry.args["SUITE"], entry.rootfs, say)

    def _send(self, entry: catalog.ImageEntry, arguments: dict[str, str]) -> Iterator[Any]:
        """Let the daemon build `entry`, by the builder that every Docker since 1.x has."""
        events: Iterator[Any] = self._client.api.build(
            fileobj=io.BytesIO(inputs.context(entry)),
            custom_context=True,
            tag=entry.local,
            buildargs=arguments,
            labels={inputs.LABEL: inputs.digest(entry)},
            # The host's network: its name server and proxy may listen on loopback.
            network_mode="host",
            nocache=self._no_cache,
            rm=True,
            forcerm=True,
            decode=True,
        )
        return events


def _follow(
    entry: catalog.ImageEntry, events: Iterable[Mapping[str, Any]], say: Callable[[str], None]
) -> None:
    """Report each step; raise ImageUnavailable with the last lines when one fails."""
    tail: deque[str] = deque(maxlen=25)
    for event in events:
        if "error" in event:
            raise ImageUnavailable(
                f"building {entry.local} failed",
                cause="\n".join([*tail, str(event["error"])]),
                looked_at=str(entry.context),
                fix="check that the package registries are reachable, then run the command again",
            )
        text = str(event.get("stream", "")).rstrip()
        tail.extend(text.splitlines())
        if text.startswith("Step "):
            say(text[:100])


@contextlib.contextmanager
def _alone(report: Report) -> Iterator[None]:
    """Hold the machine-wide lock of builds, so that two set-ups at once build once."""
    try:
        import fcntl
    except ImportError:  # not a Unix
        yield
        return
    with _lock_file().open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("images", "another build is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wflo-testkit"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TestkitError("no place for the lock of builds", cause=error) from None
    return folder / "images.lock"
