"""The leases that the project's file declares, as one process that runs tests holds them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.run import leasing
from wflo_testkit.run.inputs import inputs_of
from wflo_testkit.run.session import RunSession

if TYPE_CHECKING:
    from wflo_testkit.service import LeaseKind
    from wflo_testkit.settings.leases import DeclaredLease


class LeasingSession(RunSession):
    """One process of a run, with the leases that it holds for no test in particular.

    Each is made when first asked for, and given back when the process ends. What is still connected
    to one then is ended without a warning: a container may be.
    """

    def __init__(self, run: str, rootdir: Path, *, name: str = "main", count: int = 1) -> None:
        super().__init__(run, rootdir, name=name, count=count)
        self._lock = threading.Lock()
        # Of the process's own, beside those of its tests' leases.
        self._numbers = itertools.count(-1, -1)
        self._held: dict[str, tuple[leasing.Leased, Callable[[], bool]]] = {}

    def declared_lease(self, name: str) -> Any:
        """Return the handle of a lease that the file declares. Raises TestkitError; who asks next
        tries again. KeyError for a name that is not in `leases`."""
        declared = self.leases[name]
        with self._lock:
            if name not in self._held:
                self._held[name] = self._take(declared)
            return self._held[name][0].handle

    def name_in_run(self, server: str, what: str) -> str:
        """Return under which name all processes of the run ask for one lease, which is `what`.

        Raises SettingError where each process has a server to itself.
        """
        if self.spec(server).per_process and self.count > 1:
            raise SettingError(
                f"there is no lease of {server} for the whole run",
                cause="its tests may change what is server-wide, so each worker has its own server",
                looked_at=what,
                fix='make it one per worker (scope "worker", or "session" of `scoped`)',
            )
        return what

    def took(self, name: str, kind: LeaseKind, leased: leasing.Leased) -> Callable[[], bool]:  # noqa: ARG002
        """Note a declared lease; what is returned says at its end whether it is to be kept."""
        return lambda: False

    def learn_of_lease(self, told: Mapping[str, Any]) -> None:
        """Take note of what a lease's data hold, passwords among it."""

    def close(self) -> None:
        """Give all of them back, and hang up. Errors are passed over: the broker ends what it is
        not told of."""
        while self._held:
            leased, is_kept = self._held.popitem()[1]
            release = partial(self.broker.release, leased.lease.id, is_kept())
            with suppress(Exception):
                leased.give_back(release)
        super().close()

    def _take(self, declared: DeclaredLease) -> tuple[leasing.Leased, Callable[[], bool]]:
        test, kind = self._context(declared), self._kind(declared)
        number, shared = next(self._numbers), ""
        if declared.scope == "run":
            shared = self.name_in_run(declared.server, declared.table)
        try:
            ask = leasing.ask_for(kind, test, number=number, shared=shared)
            lease = leasing.take(self.broker, kind, test, ask, self.learn_of_lease)
            leased = leasing.Leased(kind, lease, test)
        except BaseException:
            with suppress(TestkitError):
                self.broker.withdraw(number)
            raise
        return leased, self.took(declared.name, kind, leased)

    def _context(self, declared: DeclaredLease) -> leasing.WithoutTest:
        return leasing.WithoutTest(
            nodeid=f"the lease {declared.name}",
            run=self.run,
            root=self.rootdir,
            records=self.records,
            settings=self.settings.server(declared.server),
            inputs=self._inputs(declared),
            find_server=partial(self.server, declared.server),
            fill=lambda handle: self.variables.filled_from(handle, declared.server),
        )

    def _kind(self, declared: DeclaredLease) -> LeaseKind:
        kinds = self.service(declared.server).leases
        return next(each for each in kinds if each.name == declared.kind)

    def _inputs(self, declared: DeclaredLease) -> dict[str, Any]:
        """Return every input of the kind: those that the table leaves out are None, by default."""
        given = inputs_of(declared, self.rootdir)
        return {name: given.get(name) for name in self._kind(declared).inputs}
