"""What is noted of the work while it runs, before a manifest is made of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.schema.manifest import inputs
from wflo_testkit.services.postgres.schema.manifest.content import Names, counted

if TYPE_CHECKING:
    import threading

    from wflo_testkit.services.postgres.schema.manifest.threads import Threads


class Noted:
    """What the work has done so far. It is told from any thread, by `watching` and `events`.

    threads: those whose work it is; None where all threads count.
    own: variables that the kit exports, which do not count.
    database: addresses of the database that the work is for.
    busy: threads in which an event is being noted: what they do for that is not the work's.

    The manifest is made of these, once the work has ended:

    opened: path -> stat(2) before anybody changed it; None where there was nothing.
    folders, distributions, kinds, environment, folder, incomplete: as in a Manifest.
    variables: name -> value; None where it was not set.
    missing: name of a module that was not found -> folders of the search.
    """

    def __init__(
        self,
        *,
        threads: Threads | None,
        own: tuple[str, ...],
        database: Collection[tuple[str, int]],
    ) -> None:
        self.threads = threads
        self.own = own
        self.database = database
        self.busy: set[int] = set()
        self.opened: dict[str, os.stat_result | None] = {}
        self.folders: dict[str, Names] = {}
        self.distributions: dict[str, Names] = {}
        self.kinds: dict[str, str] = {}
        self.variables: dict[str, str | None] = {}
        self.environment: Names = None
        self.missing: dict[str, tuple[str, ...]] = {}
        self.folder = ""
        self.incomplete = ""
        self._made: set[str] = set()
        self._set: set[str] = set()

    def cannot_keep(self, why: str) -> None:
        """Note that the manifest will not say all; the first reason is kept."""
        self.incomplete = self.incomplete or why

    def hears(self) -> bool:
        """Whether what the calling thread does now is the work's."""
        return self.threads is None or self.threads.has_this

    def read(self, path: Any) -> None:
        """Note that a file is opened for reading, and how it is before anybody changes it."""
        name = inputs.source_of(self._absolute(path))
        if name in self.opened or not self._counts(name):
            return
        status = inputs.status_of(name)
        if inputs.kind_of(status) == "folder":
            self.listed(name)
        else:
            self.opened[name] = status

    def makes(self, path: Any) -> None:
        """Note that the work makes a file or folder: what it reads there is no input."""
        if (name := self._absolute(path)) and inputs.counts(name):
            self._made.add(name)

    def listed(self, path: Any) -> None:
        """Note that a folder's names are read."""
        name = self._absolute(path)
        if name not in self.folders and self._counts(name):
            self.folders[name] = inputs.names(name)

    def looked_for_distributions(self, path: Any) -> None:
        """Note that somebody looks which packages are installed in a folder."""
        name = self._absolute(path)
        if name and name not in self.distributions:
            self.distributions[name] = inputs.distributions(name)

    def asked(self, path: Any) -> None:
        """Note that it is asked whether something is at a path."""
        name = self._absolute(path)
        if name not in self.kinds and self._counts(name):
            self.kinds[name] = inputs.kind(name)

    def missed(self, module: str, folders: Iterable[str]) -> None:
        """Note that no module of that name was found in these folders."""
        self.missing.setdefault(module, tuple(folders))

    def variable(self, name: str, value: str | None) -> None:
        """Note the value of a variable that is read, None for one that is not set."""
        is_asked_for = inputs.names_the_test(name) and self.environment is None
        counts = is_asked_for or not inputs.changes_by_itself(name)
        if counts and name not in self._set and name not in self.own:
            self.variables.setdefault(name, value)

    def all_variables(self, environ: Mapping[str, str]) -> None:
        """Note that all variables are read."""
        if self.environment is None:
            self.environment = counted(environ, (*self.own, *self._set))
            for name in self.environment:
                self.variables.setdefault(name, environ[name])

    def sets(self, name: str) -> None:
        """Note that the work sets or removes a variable itself."""
        self._set.add(name)

    def starts(self, thread: threading.Thread) -> None:
        """Note that the work starts a thread."""
        if self.threads is not None:
            self.threads.adopt(thread)

    def _absolute(self, path: Any) -> str:
        """Return a path as text from the root on, its links as they are: they may change."""
        if isinstance(path, int):
            return inputs.path_of(path)
        text = os.fsdecode(path)
        if self.threads is not None and text and not os.path.isabs(text):  # noqa: PTH117
            self.folder = self.folder or os.getcwd()  # noqa: PTH109 - as abspath sees it
        return os.path.abspath(text) if text else ""  # noqa: PTH100

    def _counts(self, name: str) -> bool:
        if not name or not inputs.counts(name):
            return False
        return not any(name == made or name.startswith(made + os.sep) for made in self._made)
