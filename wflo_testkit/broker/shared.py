"""A lease that belongs to the run: one for all processes that ask for it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Collection, Mapping

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.dumps import Order
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease, Isolation
from wflo_testkit.model import Build, Json
from wflo_testkit.reset import VERB as RESET
from wflo_testkit.service import LeaseRequest

OWNER = "run"
"""What an isolation is told instead of a process."""


class Shared:
    """Made for whoever asks first, given to all who ask, given back when the run ends.

    key: the server's. lease: None before it is made. keep: whether a test that used it has failed.
    dump: of such a test, under way.
    """

    def __init__(self, key: str, isolation: Isolation) -> None:
        self.key = key
        self.lease: HeldLease | None = None
        self.keep = False
        self.dump: Order | None = None
        self._isolation = isolation
        self._is_over = False
        self._turn = threading.Lock()  # of whoever makes it, or does something with it

    def get(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return what the isolation grants, or the Build that the asker has to do first.

        Who asks while another builds waits in the isolation, and gets the Build if that one dies.
        Raises IsolationFailed.
        """
        with self._turn:
            if self._is_over:
                raise IsolationFailed("a lease of the run was asked for while the run ends")
            if self.lease is None:
                answer = self._isolation.lease(dataclasses.replace(request, owner=OWNER))
                if isinstance(answer, Build):
                    return answer
                self.lease = HeldLease(
                    id=request.id,
                    kind=request.kind,
                    mode=request.mode,
                    owner=OWNER,
                    data=answer,
                )
            return self.lease.data

    def call(self, verb: str, args: Mapping[str, Json], holders: Collection[str]) -> Json:
        """Do something for one of its holders. Raises IsolationFailed, and what that raises."""
        if verb == RESET and len(holders) > 1:
            raise IsolationFailed(
                "a lease of the whole run cannot be reset while several workers hold it",
                cause=f"{' and '.join(sorted(holders))} hold it: their tests would lose what they "
                "are working with",
                looked_at='the lease\'s scope, which is "run"',
                fix='give it scope="session", which is one per worker, or run without -n',
            )
        with self._turn:
            if self.lease is None or self._is_over:
                raise IsolationFailed("a lease of the run was used after the run's end")
            if self.dump is not None:
                self.dump.wait()
            return self._isolation.call(self.lease, verb, args)

    def end(self) -> None:
        """Give it back, once; whoever asks later gets an error."""
        with self._turn:
            if self.dump is not None:
                self.dump.wait()
            lease, self.lease, self._is_over = self.lease, None, True
            if lease is not None:
                self._isolation.release(lease, keep=self.keep)


def name_of(ask: Ask) -> str:
    """Return what tells one lease of the run from another: equal asks get the same."""
    own = [ask.shared, ask.key, ask.kind, ask.mode, ask.params]
    return json.dumps(own, sort_keys=True, default=str)
