"""This run's visits to external servers, and the end of those that others could not end.

A run signs the server's guestbook before it makes anything there, renews its entry, and strikes
it once everything is gone. Whoever comes next clears up after guests that are proven over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import secrets
import threading
from collections.abc import Callable, Iterator

from wflo_testkit.guestbook import Guest, Guestbook
from wflo_testkit.model import Server
from wflo_testkit.runtime import labels
from wflo_testkit.service import Service
from wflo_testkit.wait import Deadline

LEASE = 600.0
"""Seconds for which runs on other hosts believe an entry that is not renewed."""
RENEWAL = 60.0
"""Seconds between two renewals: a lease outlives nine that fail."""
PATIENCE = 10.0
"""Seconds that the end of a run waits for its clearing up after others, and then for its own."""
STEP = 10.0
"""Seconds that one step of it may take, or one call to the server."""
STAYS = "its run may still be going on"
_AGAIN = "x"
"""Between a run's id, which is a number in hexadecimal, and the count of further visits."""


def is_over(guest: Guest, now: float) -> bool:
    """Say whether a guest's run is proven over at `now`, in seconds of the server's clock."""
    expired = now - guest.seen > guest.lease
    return not guest.owner or labels.is_over(guest.owner, expired=expired)


def _first(run: str) -> str:
    """Return the id of the run itself, whichever of its visits `run` names."""
    return run.partition(_AGAIN)[0]


def clear(server: Server, service: Service, book: Guestbook, run: str) -> Iterator[None]:
    """Remove what `run` left on `server`, then its entry; another may begin it anew.

    Yields between two steps. Raises TestkitError or what a client library raises.
    """
    if service.sweep is not None:
        yield from service.sweep(server, [run])
    book.strike(run)


def clear_after(
    server: Server, service: Service, run: str = "", *, force: bool = False
) -> Iterator[tuple[Guest, str]]:
    """Clear up after every guest that is proven over; yield each one with why it stays, or "".

    run: only after that one. force: whether or not it is proven over. Raises what signing in and
    reading the book raise.
    """
    assert service.guestbook is not None
    book = service.guestbook(server)
    me = Guest(run=secrets.token_hex(4), owner=labels.owner(), lease=LEASE)
    try:
        now = book.sign(me)
        try:
            for guest in book.guests():
                if guest.run != me.run and (not run or _first(guest.run) == run):
                    over = force or is_over(guest, now)
                    yield guest, _attempt(server, service, book, guest) if over else STAYS
        finally:
            book.strike(me.run)
    finally:
        book.close()


def _attempt(server: Server, service: Service, book: Guestbook, guest: Guest) -> str:
    try:
        for _step in clear(server, service, book, guest.run):
            pass
    except Exception as error:  # noqa: BLE001 - told to whoever asked for it, and the next one goes
        return f"{type(error).__name__}: {error}"
    return ""


class Visits:
    """The visits of one run. Safe to use from several threads."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._taken: set[tuple[object, ...]] = set()

    def begin(self, server: Server, service: Service) -> Visit | None:
        """Sign in; None where the service keeps no guestbook.

        The second visit to one server, under another name, is a guest of its own: names that both
        made would meet. Raises what Guestbook.sign raises.
        """
        if service.guestbook is None:
            return None
        place = (server.service, server.host, *sorted(server.ports.items()))
        with self._lock:
            number = next(n for n in itertools.count() if (n, *place) not in self._taken)
            self._taken.add((number, *place))
        run = f"{self._run}{_AGAIN}{number}" if number else self._run
        try:
            return Visit(run, server, service, service.guestbook(server))
        except BaseException:
            with self._lock:
                self._taken.discard((number, *place))
            raise


class Visit:
    """One guest, signed in from the first moment on; a thread keeps its entry fresh.

    run: the id that every name it makes has to carry.
    """

    def __init__(self, run: str, server: Server, service: Service, book: Guestbook) -> None:
        self.run = run
        self._server = server
        self._service = service
        self._book = book
        self._leaving = threading.Event()
        self._hurry = threading.Event()
        self._entry = Guest(run=run, owner=labels.owner(), lease=LEASE)
        self._renewal = Deadline(RENEWAL)
        try:
            self._now = book.sign(self._entry)
        except BaseException:
            book.close()
            raise
        self._thread = threading.Thread(target=self._stay, name="wflo-visit", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Clear up after this run and sign out; what resists is left to the next guest.

        A server that does not answer any more holds nobody back for longer than half a minute.
        """
        self._leaving.set()
        self._thread.join(PATIENCE)
        self._hurry.set()
        self._thread.join(PATIENCE + STEP)

    def _stay(self) -> None:
        """Do all that this visit does, in one thread: a book is used by one at a time."""
        try:
            self._clear_others()
            while not self._leaving.wait(self._renewal.left):
                self._renew()
            self._sign_out()
        finally:
            with contextlib.suppress(Exception):  # a thread has nobody to tell it to
                self._book.close()

    def _sign_out(self) -> None:
        deadline = Deadline(PATIENCE)
        if not self._cleared(self.run, until=lambda: deadline.passed):
            with contextlib.suppress(Exception):
                self._book.sign(dataclasses.replace(self._entry, owner=""))

    def _clear_others(self) -> None:
        with contextlib.suppress(Exception):
            for guest in self._book.guests():
                if guest.run != self.run and is_over(guest, self._now):
                    self._cleared(guest.run, until=self._hurry.is_set)

    def _cleared(self, run: str, *, until: Callable[[], bool]) -> bool:
        """Clear up after `run`; False when something resisted, or `until` ended it half-way."""
        with contextlib.suppress(Exception):
            for _step in clear(self._server, self._service, self._book, run):
                if self._renewal.passed:
                    self._renew()
                if until():
                    return False
            return True
        return False

    def _renew(self) -> None:
        self._renewal = Deadline(RENEWAL)
        with contextlib.suppress(Exception):  # the lease outlives some renewals that fail
            self._now = self._book.sign(self._entry)
