"""The leases that the project's file declares, as one process that runs tests holds them."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin import env
from wflo_testkit.plugin.asking import Asked
from wflo_testkit.plugin.outcome import Outcome
from wflo_testkit.run import leasing
from wflo_testkit.run.inputs import inputs_of

if TYPE_CHECKING:
    from wflo_testkit.plugin.session import PluginSession
    from wflo_testkit.service import LeaseKind
    from wflo_testkit.settings.leases import DeclaredLease


class DeclaredLeases:
    """Each is made when first asked for, and given back when the process ends.

    What is still connected to one then is ended without a warning: a container may be.
    """

    def __init__(self, session: PluginSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._held: dict[str, tuple[leasing.Leased, Outcome]] = {}

    def get(self, declared: DeclaredLease) -> Any:
        """Return the handle. Raises TestkitError; who asks next tries again."""
        with self._lock:
            if declared.name not in self._held:
                self._held[declared.name] = self._take(declared)
            return self._held[declared.name][0].handle

    def close(self) -> None:
        """Give all of them back. Errors are passed over: the broker ends what it is not told of."""
        while self._held:
            leased, noted = self._held.popitem()[1]
            self._session.wide.remove(leased.handle)
            release = partial(self._session.broker.release, leased.lease.id, noted.failed)
            with suppress(TestkitError):
                leased.give_back(release)

    def _take(self, declared: DeclaredLease) -> tuple[leasing.Leased, Outcome]:
        session, test = self._session, self._context(declared)
        kind = _kind(session, declared)
        asked, shared = Asked(session), ""
        if declared.scope == "run":
            shared = session.name_in_run(declared.server, declared.table)
        try:
            ask = leasing.ask_for(kind, test, number=asked.number, shared=shared)
            lease = leasing.take(session.broker, kind, test, ask, session.passwords.learn_of_lease)
            leased = leasing.Leased(kind, lease, test)
        except BaseException:
            asked.withdraw()
            raise
        noted = Outcome(
            servers={test.server.key: test.server},
            handles={declared.name: leased.handle},
            refusals={declared.name: partial(kind.refused, lease)},
        )
        session.wide.add(leased.handle, noted)
        return leased, noted

    def _context(self, declared: DeclaredLease) -> leasing.WithoutTest:
        session = self._session
        return leasing.WithoutTest(
            nodeid=f"the lease {declared.name}",
            run=session.process.run,
            root=session.process.config.rootpath,
            records=session.records,
            settings=session.settings.server(declared.server),
            inputs=_inputs(session, declared),
            find_server=partial(session.server, declared.server),
            fill=lambda handle: env.filled_from(handle, declared.server, session),
        )


def _kind(session: PluginSession, declared: DeclaredLease) -> LeaseKind:
    kinds = session.service(declared.server).leases
    return next(each for each in kinds if each.name == declared.kind)


def _inputs(session: PluginSession, declared: DeclaredLease) -> dict[str, Any]:
    """Return every input of the kind: those that the table leaves out are None, as by default."""
    given = inputs_of(declared, session.process.config.rootpath)
    return {name: given.get(name) for name in _kind(session, declared).inputs}
