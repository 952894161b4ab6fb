"""Records what the work inside a `with` block reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from dataclasses import replace
from typing import Self

from wflo_testkit.services.postgres.schema.manifest import events, inputs, modules, watching
from wflo_testkit.services.postgres.schema.manifest.content import Manifest
from wflo_testkit.services.postgres.schema.manifest.noted import Noted
from wflo_testkit.services.postgres.schema.manifest.threads import Threads
from wflo_testkit.wait import clock


class Recorder:
    """A context manager; its `manifest()` is to be had once the work has ended.

    whole_process: the process does nothing else: all threads count. Else what the entering thread
        does, and threads that it starts, and of the loaded modules no test files but those that
        `start` imports.
    start: file of the code that runs, where the process is shared with tests.
    own_variables: variables that the kit exports, which do not count.
    database: "host:port" of the database that the work is for; what another address answers
        cannot be compared.
    """

    def __init__(
        self,
        *,
        whole_process: bool,
        start: str = "",
        own_variables: Collection[str] = (),
        database: str = "",
    ) -> None:
        self._start = start
        self._threads = None if whole_process else Threads()
        self._noted = Noted(
            threads=self._threads,
            own=tuple(sorted(own_variables)),
            database=events.spellings(database),
        )
        self._before: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        self._before = frozenset(sys.modules)
        if self._threads is not None:
            self._threads.begin()
        watching.begin(self._noted)
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._threads is not None:
            self._threads.wait()
        watching.end(self._noted)
        if self._threads is not None and self._threads.are_left:
            self.cannot_keep("a thread that it has started still runs")
        if modules.has_spawned(self._before if self._threads is not None else ()):
            self.cannot_keep("it starts a process")

    def manifest(self) -> Manifest:
        """Return what was read. Call it right after the work."""
        files, noted = self._files(), self._noted
        for path in (*modules.places(noted.missing), *modules.earlier(files)):
            if inputs.counts(path):
                noted.kinds.setdefault(path, inputs.kind(path))
        made = Manifest(
            files=files,
            folders=noted.folders,
            distributions=noted.distributions,
            kinds=noted.kinds,
            environment=noted.environment,
            own_variables=noted.own,
            folder=noted.folder,
            incomplete=noted.incomplete,
        )
        hashes = {n: inputs.hashed(n, value, made.salt) for n, value in noted.variables.items()}
        return replace(made, variables=hashes)

    def cannot_keep(self, why: str) -> None:
        """Note that the manifest will not say all; the first reason is kept."""
        self._noted.cannot_keep(why)

    def _files(self) -> dict[str, inputs.Stamp | None]:
        now = int(clock.wall() * 1e9)
        files: dict[str, inputs.Stamp | None] = {}
        for path, before in self._noted.opened.items():
            files[path] = None if before is None else inputs.stamp(path, now)
            if before is not None and not _same(before, inputs.status_of(path)):
                self.cannot_keep(f"{path} was changed meanwhile")
        for path in filter(inputs.counts, self._modules()):
            if path not in files:
                files[path] = inputs.stamp(path, now)
        return files

    def _modules(self) -> set[str]:
        if self._threads is None:
            return modules.loaded(sys.modules)
        found = modules.beside_tests(self._start)
        for path in found & modules.loaded(self._before):
            status = inputs.status_of(path)
            if status is not None and status.st_mtime > clock.loaded:
                self.cannot_keep(f"{path} was changed after it was imported")
        return found


def _same(one: os.stat_result, other: os.stat_result | None) -> bool:
    """Say whether a file is still the same; another link to it, as installers make, is no change
    though it moves the change time."""
    return other is not None and (one.st_size, one.st_mtime_ns, one.st_ino) == (
        other.st_size,
        other.st_mtime_ns,
        other.st_ino,
    )
