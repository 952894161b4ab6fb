"""What the broker asks of an isolation, and what one may offer besides."""

from __future__ import annotations

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
        Returns one sentence per leftover, to be warned about with the test's name.
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


@runtime_checkable
class Repeats(Protocol):
    """An Isolation that knows what the next run of the same project is likely to begin from."""

    def content(self) -> Content | None:
        """Return what most leases began from and had to be made in this run; None if nothing.

        Called once, when no test runs any more, before `close`.
        """
