"""Records what the work inside a `with` block reads."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from wflo_testkit.services.postgres.schema.manifest import events, inputs, modules, watching
from wflo_testkit.services.postgres.schema.manifest.content import Manifest, Names, counted
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
        self.database = events.spellings(database)
        self._start = start
        self._threads = None if whole_process else Threads()
        self._own = tuple(sorted(own_variables))
        self._opened: dict[str, os.stat_result | None] = {}
        self._folders: dict[str, Names] = {}
        self._distributions: dict[str, Names] = {}
        self._kinds: dict[str, str] = {}
        self._variables: dict[str, str | None] = {}
        self._environment: Names = None
        self._made: set[str] = set()
        self._set: set[str] = set()
        self._missing: dict[str, tuple[str, ...]] = {}
        self._folder = ""
        self._incomplete = ""
        self._before: frozenset[str] = frozenset()
        self._busy: set[int] = set()

    def __enter__(self) -> Self:
        self._before = frozenset(sys.modules)
        if self._threads is not None:
            self._threads.begin()
        watching.begin(self)
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._threads is not None:
            self._threads.wait()
        watching.end(self)
        if self._threads is not None and self._threads.are_left:
            self.cannot_keep("a thread that it has started still runs")
        if modules.has_spawned(self._before if self._threads is not None else ()):
            self.cannot_keep("it starts a process")

    def manifest(self) -> Manifest:
        """Return what was read. Call it right after the work."""
        files = self._files()
        for path in (*modules.places(self._missing), *modules.earlier(files)):
            if inputs.counts(path):
                self._kinds.setdefault(path, inputs.kind(path))
        made = Manifest(
            files=files,
            folders=self._folders,
            distributions=self._distributions,
            kinds=self._kinds,
            environment=self._environment,
            own_variables=self._own,
            folder=self._folder,
            incomplete=self._incomplete,
        )
        hashes = {n: inputs.hashed(n, value, made.salt) for n, value in self._variables.items()}
        return replace(made, variables=hashes)

    def cannot_keep(self, why: str) -> None:
        """Note that the manifest will not say all; the first reason is kept."""
        self._incomplete = self._incomplete or why

    # -- called by what watches, from any thread

    def event(self, name: str, args: tuple[Any, ...]) -> None:
        """Take note of an audit event."""
        me = threading.get_ident()
        if me in self._busy or not self.hears():
            return
        self._busy.add(me)
        try:
            events.take(self, name, args)
        except Exception as error:  # noqa: BLE001 - raised in a hook it would end the work
            self.cannot_keep(f"its {name} could not be recorded: {error!r}")
        finally:
            self._busy.discard(me)

    def hears(self) -> bool:
        """Whether what the calling thread does now is the work's."""
        return self._threads is None or self._threads.has_this

    def read(self, path: Any) -> None:
        """Note that a file is opened for reading, and how it is before anybody changes it."""
        name = inputs.source_of(self._absolute(path))
        if name in self._opened or not self._counts(name):
            return
        status = inputs.status_of(name)
        if inputs.kind_of(status) == "folder":
            self.listed(name)
        else:
            self._opened[name] = status

    def makes(self, path: Any) -> None:
        """Note that the work makes a file or folder: what it reads there is no input."""
        if (name := self._absolute(path)) and inputs.counts(name):
            self._made.add(name)

    def listed(self, path: Any) -> None:
        """Note that a folder's names are read."""
        name = self._absolute(path)
        if name not in self._folders and self._counts(name):
            self._folders[name] = inputs.names(name)

    def looked_for_distributions(self, path: Any) -> None:
        """Note that somebody looks which packages are installed in a folder."""
        name = self._absolute(path)
        if name and name not in self._distributions:
            self._distributions[name] = inputs.distributions(name)

    def asked(self, path: Any) -> None:
        """Note that it is asked whether something is at a path."""
        name = self._absolute(path)
        if name not in self._kinds and self._counts(name):
            self._kinds[name] = inputs.kind(name)

    def missed(self, module: str, folders: Iterable[str]) -> None:
        """Note that no module of that name was found in these folders."""
        self._missing.setdefault(module, tuple(folders))

    def variable(self, name: str, value: str | None) -> None:
        """Note the value of a variable that is read, None for one that is not set."""
        is_asked_for = inputs.names_the_test(name) and self._environment is None
        counts = is_asked_for or not inputs.changes_by_itself(name)
        if counts and name not in self._set and name not in self._own:
            self._variables.setdefault(name, value)

    def all_variables(self, environ: Mapping[str, str]) -> None:
        """Note that all variables are read."""
        if self._environment is None:
            self._environment = counted(environ, (*self._own, *self._set))
            for name in self._environment:
                self._variables.setdefault(name, environ[name])

    def sets(self, name: str) -> None:
        """Note that the work sets or removes a variable itself."""
        self._set.add(name)

    def starts(self, thread: threading.Thread) -> None:
        """Note that the work starts a thread."""
        if self._threads is not None:
            self._threads.adopt(thread)

    # --

    def _absolute(self, path: Any) -> str:
        """Return a path as text from the root on, its links as they are: they may change."""
        if isinstance(path, int):
            return watching.path_of(path)
        text = os.fsdecode(path)
        if self._threads is not None and text and not os.path.isabs(text):  # noqa: PTH117
            self._folder = self._folder or os.getcwd()  # noqa: PTH109 - as abspath sees it
        return os.path.abspath(text) if text else ""  # noqa: PTH100

    def _counts(self, name: str) -> bool:
        if not name or not inputs.counts(name):
            return False
        return not any(name == made or name.startswith(made + os.sep) for made in self._made)

    def _files(self) -> dict[str, inputs.Stamp | None]:
        now = int(clock.wall() * 1e9)
        files: dict[str, inputs.Stamp | None] = {}
        for path, before in self._opened.items():
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
