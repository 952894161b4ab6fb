"""Several servers at once, with or without pytest: `with Stack("gateway") as stack:`."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Self

from wflo_testkit.errors import SettingError
from wflo_testkit.run.config import RunConfig
from wflo_testkit.run.declared import LeasingSession
from wflo_testkit.run.owner import RunOwner
from wflo_testkit.settings.project import suggestion


class Stack:
    """Servers of a project, by the names of its file and of the built-in services.

    names: those to start; none means all that the file declares. What they refer to is started,
    too, and all side by side where the order allows. root: the folder of pyproject.toml, in which
    modules that it names are looked for, too.
    Its containers are its own, of a run of its own, and go with it.
    """

    def __init__(self, *names: str, root: str | Path = ".") -> None:
        self._session = _StackSession(Path(root).absolute())
        self._names = list(dict.fromkeys(names))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Any:
        """Return a server, ready: what the fixture `<name>_server` gives to a test.

        One that is not among the stack's is added. Raises TestkitError.
        """
        self._check(name)
        if name not in self.names:
            self._names.append(name)
        return self._session.value(self._session.server(name))

    def lease(self, name: str) -> Any:
        """Return the handle of a lease that the file declares. Raises TestkitError."""
        self._check_known("lease", name, self._session.leases)
        return self._session.declared_lease(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    @property
    def run(self) -> str:
        """The run's id, which is on all that it makes in Docker."""
        return self._session.run

    @property
    def names(self) -> list[str]:
        """The servers of the stack. Raises SettingError for a file that cannot be used."""
        return self._names or list(self._session.settings.servers)

    def start(self, *names: str) -> None:
        """Start servers, by default all, and wait until they are ready; stopped ones again.

        Raises the TestkitError of the first that fails.
        """
        chosen = self._chosen(names)
        for name in chosen:
            self._session.begin(self._session.unique(self._session.spec(name)))
        for name in chosen:
            server = self._session.server(name)
            if name in self._session.stopped:
                server.do("start")
                self._session.stopped.discard(name)

    def stop(self, *names: str) -> None:
        """Ask servers to end, by default all, the last one first; their addresses stay."""
        for name in reversed(self._chosen(names)):
            self._session.server(name).do("stop")
            self._session.stopped.add(name)

    def scale(self, name: str, number: int) -> None:
        """Have `number` containers of one server; returns when all are ready."""
        self._check(name)
        self._session.server(name).do("scale", number=number)

    def wait(self, *names: str) -> None:
        """Return when servers, by default all, are ready: after a crash that they recover from.

        Raises StartFailed for one that is not within its startup_timeout, or has ended.
        """
        for name in self._chosen(names):
            self._session.server(name).do("wait")

    def close(self) -> None:
        """Remove everything. A second call does nothing. Raises TestkitError for what stays."""
        self._session.close()

    def _chosen(self, names: tuple[str, ...]) -> list[str]:
        chosen = list(names) or self.names
        for name in chosen:
            self._check(name)
        return chosen

    def _check(self, name: str) -> None:
        self._check_known("server", name, self._session.servers)

    def _check_known(self, what: str, name: str, known: Collection[str]) -> None:
        if name not in known:
            raise SettingError(
                f"no {what} is called {name!r}",
                looked_at=f"pyproject.toml in {self._session.rootdir}",
                fix=suggestion(name, known),
            )


class _StackSession(LeasingSession):
    """The run of one stack, which this process owns."""

    def __init__(self, root: Path) -> None:
        super().__init__(secrets.token_hex(4), root)
        self.stopped: set[str] = set()
        self._on_path = ""
        self._owner = RunOwner(self.run, self._config)

    def _config(self) -> RunConfig:
        return RunConfig.of(self.run, self.rootdir, self.settings)

    def broker_socket(self) -> str:
        if (root := str(self.rootdir)) not in sys.path:
            sys.path.insert(0, root)
            self._on_path = root
        return self._owner.begin()

    def close(self) -> None:
        super().close()
        self._owner.close()
        if self._on_path in sys.path:
            sys.path.remove(self._on_path)
