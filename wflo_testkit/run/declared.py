"""The leases that the project's file declares, as one process that runs tests holds them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.run import leasing, variables
from wflo_testkit.run.inputs import inputs_of

if TYPE_CHECKING:
    from wflo_testkit.run.session import RunSession
    from wflo_testkit.service import LeaseKind
    from wflo_testkit.settings.leases import DeclaredLease


class DeclaredLeases:
    """Each is made when first asked for, and given back when the process ends.

    What is still connected to one then is ended without a warning: a container may be.
    """

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        # Of the process's own, beside those of its tests' leases.
        self._numbers = count(-1, -1)
        self._held: dict[str, tuple[leasing.Leased, Callable[[], bool]]] = {}

    def get(self, declared: DeclaredLease) -> Any:
        """Return the handle. Raises TestkitError; who asks next tries again."""
        with self._lock:
            if declared.name not in self._held:
                self._held[declared.name] = self._take(declared)
            return self._held[declared.name][0].handle

    def close(self) -> None:
        """Give all of them back. Errors are passed over: the broker ends what it is not told of."""
        while self._held:
            leased, is_kept = self._held.popitem()[1]
            release = partial(self._session.broker.release, leased.lease.id, is_kept())
            with suppress(Exception):
                leased.give_back(release)

    def _take(self, declared: DeclaredLease) -> tuple[leasing.Leased, Callable[[], bool]]:
        session, test = self._session, self._context(declared)
        kind = _kind(session, declared)
        number, shared = next(self._numbers), ""
        if declared.scope == "run":
            shared = session.name_in_run(declared.server, declared.table)
        try:
            ask = leasing.ask_for(kind, test, number=number, shared=shared)
            lease = leasing.take(session.broker, kind, test, ask, session.learn_of_lease)
            leased = leasing.Leased(kind, lease, test)
        except BaseException:
            with suppress(TestkitError):
                session.broker.withdraw(number)
            raise
        return leased, session.took(declared.name, kind, leased)

    def _context(self, declared: DeclaredLease) -> leasing.WithoutTest:
        session = self._session
        return leasing.WithoutTest(
            nodeid=f"the lease {declared.name}",
            run=session.run,
            root=session.rootdir,
            records=session.records,
            settings=session.settings.server(declared.server),
            inputs=_inputs(session, declared),
            find_server=partial(session.server, declared.server),
            fill=lambda handle: variables.filled_from(handle, declared.server, session),
        )


def _kind(session: RunSession, declared: DeclaredLease) -> LeaseKind:
    kinds = session.service(declared.server).leases
    return next(each for each in kinds if each.name == declared.kind)


def _inputs(session: RunSession, declared: DeclaredLease) -> dict[str, Any]:
    """Return every input of the kind: those that the table leaves out are None, as by default."""
    given = inputs_of(declared, session.rootdir)
    return {name: given.get(name) for name in _kind(session, declared).inputs}
