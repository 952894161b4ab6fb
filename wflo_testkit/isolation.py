"""What the broker asks of an isolation, and what one may offer besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from wflo_testkit.model import Build, Content, Json, LeaseRequest


class Isolation(Protocol):
    """Makes, hands out and takes back the private parts of one running server.

    One instance per server, in the broker's process; called from several threads at once.
    """

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return what the handle needs, or a Build that the asker has to do first.

        Blocks while another asker builds the same. Raises IsolationFailed.
        """

    def built(self, token: str, error: str | None) -> None:
        """End the Build `token`: a success, or `error`, or the builder died."""

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """Do something for a lease in the middle of a test (make a topic, ...)."""

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Take a lease back; close and clear what the test left.

        keep: leave the data in place for a person to look at.
        Returns one sentence per leftover, to be warned about with the test's name.
        """

    def close(self) -> None:
        """Drop every connection. On an external or shared server remove what this run made.

        On a shared one (`Server.is_shared`) what was released with `keep` stays: `Service.sweep`
        of another run drops it, and also what was left because of a TestkitError raised here.
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
