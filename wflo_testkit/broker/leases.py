"""Who holds what: every lease and every build under way, by the process that asked."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.dumps import DumpWriter, Order
from wflo_testkit.broker.servers import Servers
from wflo_testkit.broker.shared import Shared, name_of
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import Dumps, HeldLease, Isolation
from wflo_testkit.model import Build, Grant, Json
from wflo_testkit.service import LeaseRequest

END_TIMEOUT = 20.0
"""Seconds for what is being given back as the run ends."""


@dataclass(slots=True, eq=False)
class Held:
    """What came of an ask: a lease, or a build, or nothing yet, as it is under way.

    number: of the ask. turn: held by whoever does something with the lease.
    has_come: whether the answer is noted; lease, token: what there is to end. A build has a token,
        the isolation's. dump: of a failed test, under way or for when it is given back.
    shared: the lease of the run that this is a hold on, if it is one: nothing to end but the hold.
    """

    owner: str
    key: str
    isolation: Isolation
    number: int
    shared: Shared | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)
    has_come: bool = False
    lease: HeldLease | None = None
    token: str = ""
    dump: Order | None = None

    def note(self, request: LeaseRequest, answer: Mapping[str, Json] | Build) -> None:
        """Note what the isolation has answered."""
        if isinstance(answer, Build):
            self.token = answer.token
        elif self.shared is None:
            self.lease = HeldLease(
                id=request.id,
                kind=request.kind,
                mode=request.mode,
                owner=request.owner,
                data=answer,
            )
        self.has_come = True

    def end(self, why: str, *, keep: bool = False) -> list[str]:
        """Give back what there is; returns a sentence per leftover. why: a build comes to nothing.

        Waits for a call that is under way; later ones find no lease. A second end does nothing.
        """
        with self.turn:
            self.await_dump()
            lease, self.lease = self.lease, None
            token, self.token = self.token, ""
            if token:
                self.isolation.built(token, why)
            return [] if lease is None else self.isolation.release(lease, keep=keep)

    def await_dump(self) -> None:
        """Return once a dump that is under way is written: what it reads must not change."""
        if self.dump is not None and not self.dump.drops:
            self.dump.wait()


class Leases:
    """The leases of one run. Safe to use from several threads.

    Whoever takes something out of the table ends it. What is under way when it is taken out, as
    when its owner dies, is ended by the thread that makes it, once it is there.
    """

    def __init__(self, servers: Servers, dumps: DumpWriter | None = None) -> None:
        self._servers = servers
        self._dumps = dumps or DumpWriter(servers)
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._shared: dict[str, Shared] = {}
        self._withdrawn: set[tuple[str, int]] = set()
        self._ending = 0
        self._ended = threading.Condition(self._lock)

    def lease(self, ask: Ask, owner: str) -> Grant | Build:
        """Lease for `owner`; the id is recorded before the service starts to make anything.

        Raises IsolationFailed for an ask that is withdrawn meanwhile, or whose owner dies.
        """
        held = Held(owner, ask.key, self._servers.isolation(ask.key), ask.number)
        held.shared = self._shared_by(ask, held.isolation)
        request = LeaseRequest(
            kind=ask.kind,
            mode=ask.mode,
            params=ask.params,
            id=secrets.token_hex(4),
            owner=owner,
            test=ask.test,
        )
        answer: Mapping[str, Json] | Build | None = None
        try:
            with self._lock:
                if (owner, ask.number) in self._withdrawn:
                    raise _nobody_waits()
                self._held[request.id] = held
            answer = (held.shared.get if held.shared else held.isolation.lease)(request)
            return self._arrive(request, held, answer)
        except BaseException:
            self._take_out(lambda each: each is held)
            if answer is not None and not held.has_come:
                held.note(request, answer)
            with contextlib.suppress(Exception):  # what is raised already counts
                held.end("nobody waits for it any more")
            raise

    def built(self, token: str, error: str | None) -> None:
        """End a build; a second report of the same is ignored."""
        with self._lock:
            held = self._held.pop(token, None)
        if held is not None:
            held.isolation.built(held.token, error)

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """Pass `verb` on to the isolation that granted the lease. Raises what that raises."""
        with self._lock:
            held = self._held.get(lease_id)
            holders = self._holders(held)
        if held is not None and held.shared is not None:
            return held.shared.call(verb, args, holders)
        if held is not None:
            with held.turn:
                if held.lease is not None:
                    held.await_dump()
                    return held.isolation.call(held.lease, verb, args)
        raise IsolationFailed(
            f"the lease {lease_id} was used after it had been given back",
            fix="use a fixture's value only while its test runs",
        )

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Give back; a second release of the same lease is harmless."""
        with self._end_under_way():
            with self._lock:
                held = self._held.pop(lease_id, None)
            if held is None:
                return []
            if keep and held.shared is not None:
                held.shared.keep = True
            if keep and held.lease is not None:
                self._servers.note_kept(held.key, held.lease)
            try:
                return held.end("", keep=keep)
            finally:
                if keep and held.dump is not None and held.dump.drops:
                    self._dumps.begin(held.dump)

    def dump(self, lease_id: str, place: str, *, at_once: bool) -> bool:
        """Have a lease's data dumped; False if it is gone, or has none to dump. See BrokerApi."""
        with self._lock:
            held = self._held.get(lease_id)
        if held is None or not isinstance(held.isolation, Dumps):
            return False
        with held.turn:
            whose = held.shared or held
            lease, isolation = whose.lease, held.isolation
            if lease is None or (dump := isolation.dump(lease)) is None:
                return False
            drops = not at_once and held.shared is None
            whose.dump = Order(held.key, isolation, lease, dump, Path(place), drops=drops)
            if not drops:
                self._dumps.begin(whose.dump)
        return True

    def drop_owner(self, owner: str) -> None:
        """End all that `owner` holds: it is gone. Raises what one of the ends raised, after all."""
        with self._lock:
            self._withdrawn = {each for each in self._withdrawn if each[0] != owner}
        with self._end_under_way():
            gone = self._take_out(lambda held: held.owner == owner)
            _end(gone, "the process that was making it died")

    def withdraw(self, owner: str, number: int) -> None:
        """End what came of an ask; what is still under way, or to come, ends by itself."""
        with self._lock:
            self._withdrawn.add((owner, number))
        with self._end_under_way():
            gone = self._take_out(lambda held: (held.owner, held.number) == (owner, number))
            _end(gone, "the test that was making it was interrupted")

    def drop_server(self, key: str) -> None:
        """Forget what is held on a server that is going away."""
        self._take_out(lambda held: held.key == key)
        with self._lock:
            self._shared = {name: each for name, each in self._shared.items() if each.key != key}

    def close(self) -> None:
        """End what anybody still holds, and wait for what others are ending: it needs its server.

        Errors are passed over: nobody is left to be told.
        """
        with contextlib.suppress(Exception):
            _end(self._take_out(lambda _held: True), "the run is ending")
        with self._lock:
            of_the_run = list(self._shared.values())
        for shared in of_the_run:
            self._end_shared(shared)
        with self._lock:
            self._ended.wait_for(lambda: not self._ending, END_TIMEOUT)

    def _shared_by(self, ask: Ask, isolation: Isolation) -> Shared | None:
        """Return the lease of the run that `ask` is for; made when first asked for."""
        if not ask.shared:
            return None
        with self._lock:
            return self._shared.setdefault(name_of(ask), Shared(ask.key, isolation))

    def _holders(self, held: Held | None) -> set[str]:
        """Return who holds, or is just being given, the lease of the run behind `held`."""
        if held is None or held.shared is None:
            return set()
        return {each.owner for each in self._held.values() if each.shared is held.shared}

    def _end_shared(self, shared: Shared) -> None:
        if shared.keep and shared.lease is not None:
            self._servers.note_kept(shared.key, shared.lease)
        with contextlib.suppress(Exception):
            shared.end()

    @contextlib.contextmanager
    def _end_under_way(self) -> Iterator[None]:
        with self._lock:
            self._ending += 1
        try:
            yield
        finally:
            with self._lock:
                self._ending -= 1
                self._ended.notify_all()

    def _arrive(
        self, request: LeaseRequest, held: Held, answer: Mapping[str, Json] | Build
    ) -> Grant | Build:
        """Hand out what was made, unless it has been taken out of the table meanwhile."""
        with self._lock:
            if not self._is_wanted(request.id):
                raise _nobody_waits()
            held.note(request, answer)
        if isinstance(answer, Build):
            return Build(token=request.id, data=answer.data)
        self._servers.count(held.key)
        return Grant(id=request.id, data=answer)

    def _is_wanted(self, lease_id: str) -> bool:
        return lease_id in self._held

    def _take_out(self, which: Callable[[Held], bool]) -> list[Held]:
        with self._lock:
            found = {lease_id: held for lease_id, held in self._held.items() if which(held)}
            for lease_id in found:
                del self._held[lease_id]
        return list(found.values())


def _end(gone: Iterable[Held], why: str) -> None:
    """End each, builds first, though the end of another raises."""
    with contextlib.ExitStack() as stack:
        for held in sorted(gone, key=lambda each: bool(each.token)):
            stack.callback(held.end, why)


def _nobody_waits() -> IsolationFailed:
    return IsolationFailed("nobody waits any more for what is leased here")
