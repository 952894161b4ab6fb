"""What the broker asks of an isolation, and what one may offer besides."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from wflo_testkit.model import Build, Content, Json, LeaseRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A lease as the broker keeps it, and hands it back: plain data.

    id, kind, mode, owner: those of the LeaseRequest. data: what `Isolation.lease` returned.
    notes: what the isolation writes down about it between two calls; nobody else sees them.
    """

    id: str
    kind: str
    mode: str
    owner: str
    data: Mapping[str, Json] = field(repr=False)
    notes: dict[str, Json] = field(default_factory=dict, repr=False)


AGAIN = "again: "
"""Begins a sentence about a leftover of a kind that this run has been told of: see ToldOnce."""


class ToldOnce:
    """Idle connections of one server that people know of. Safe to use from several threads.

    An application's pool leaves some open behind every test, and to be told once is enough.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def mark(self, whose: str, sentence: str) -> str:
        """Return the sentence about an idle connection, marked if one of the same client is known.

        whose: what the client calls itself.
        """
        with self._lock:
            is_known = whose in self._known
            self._known.add(whose)
        return f"{AGAIN}{sentence}" if is_known else f"{sentence} (told once a run: it was idle)"


class Isolation(Protocol):
    """Makes, hands out and takes back the private parts of one running server.

    One instance per server, in the broker's process; called from several threads at once, but for
    one lease one after the other: `lease`, any number of times `call`, then `release`, once. Who
    holds what, and whether its owner still lives, is the broker's to know.
    """

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return what the handle needs, or a Build that the asker has to do first.

        Blocks while another asker builds the same. Leaves nothing behind if it raises.
        Raises IsolationFailed.
        """

    def built(self, token: str, error: str | None) -> None:
        """End the Build `token`: a success, or `error`, or the builder died."""

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Json]) -> Json:
        """Do something for a lease in the middle of a test (make a topic, ...)."""

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        """Take a lease back; close and clear what the test left.

        keep: leave the data in place for a person to look at.
        Returns one sentence per leftover, to be warned about with the test's name; one that
        begins with AGAIN is passed over, unless leftovers are errors.
        """

    def close(self, kept: Sequence[HeldLease] = ()) -> None:
        """Drop every connection. On an external or shared server remove what this run made.

        kept: what was released with `keep`. On a shared server (`Server.is_shared`) it stays:
        another run `Sweeps` it, and also what was left because of a TestkitError raised here.
        """


@runtime_checkable
class Prepares(Protocol):
    """An Isolation that can do ahead what its first lease would have to: connect, load, make."""

    def prepare(self) -> None:
        """Do it; called once, in the background, when a server of the kit's own is ready.

        Leases wait for it, so what takes long is only begun. Errors are ignored: a lease meets
        them again.
        """


@runtime_checkable
class Sweeps(Protocol):
    """An Isolation that can drop what other runs have left on a shared or external server.

    It does so in the background, on connections of its own.
    """

    def sweep(self, runs: Sequence[str]) -> Iterator[None]:
        """Drop what `runs` have made, ids as an Isolation is given one.

        An iterator, so that it can be ended between two steps. It may be begun anew, by several
        runs at once. Raises TestkitError, or what a client library raises.
        """

    def abandoned(self) -> Collection[str]:
        """Return the dated runs that have left something on this external server.

        But those that have a session there, as far as the server can tell. Raises the same.
        """


@runtime_checkable
class Counts(Protocol):
    """An Isolation that says in the run's summary how its leases went."""

    def figures(self) -> Mapping[str, int]:
        """Return word -> number, such as {"recycled": 40}; called at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """How what a lease holds is written as text, which can be loaded elsewhere.

    command: prints it; outline: prints it without the data, for what is too large. Both are run in
    the server's container, those of an external server on this machine, with `environment` besides.
    suffix: of the file, such as "sql". opens: a script for `sh` that loads the file named `{file}`
    beside it, and lets a person look at it.
    """

    command: tuple[str, ...]
    outline: tuple[str, ...]
    suffix: str
    opens: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@runtime_checkable
class Dumps(Protocol):
    """An Isolation of which a failed test's data can be taken away before the server goes."""

    def dump(self, lease: HeldLease) -> Dump | None:
        """Return how the data of a lease is dumped, before it is released; None if it is not.

        The dump itself comes once it has been released with `keep`, or at once.
        """

    def drop_kept(self, lease: HeldLease) -> None:
        """Drop what was released with `keep`, and has been dumped. May raise; returns at once."""


@runtime_checkable
class Repeats(Protocol):
    """An Isolation that knows what the next run of the same project is likely to begin from."""

    def content(self) -> Content | None:
        """Return what most leases began from and had to be made in this run; None if nothing.

        Called once, when no test runs any more, before `close`.
        """
