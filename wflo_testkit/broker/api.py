"""What a process asks of the broker: the one list of its verbs, from which both sides derive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from wflo_testkit.model import Build, Grant, Json, Server, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to lease: from which server (its key), which kind, how isolated.

    test: which test it is for, for people. number: of the asker's own, by which it can withdraw
        what it asked for; 0 for none.
    shared: a name under which all owners of the run get one lease, which goes back when the run
        ends; "" for one that is the asker's alone.
    """

    key: str
    kind: str
    mode: str
    params: Mapping[str, Json]
    test: str = "a test"
    number: int = 0
    shared: str = ""


class BrokerApi(Protocol):
    """The broker as one owner (a process that runs tests) sees it.

    What is given and returned is plain data, or of a kind that `wire` knows.
    """

    def server(self, spec: Spec) -> Server | Build:
        """Return the server for `spec`, started at most once per run. Blocks until ready.

        Or name what the asker has to do for it first, end with `built`, and ask again: data has
        `what`, a word of Spec.asked, and the `server`, as plain data.
        Raises the TestkitError of the start; the same one for everybody who asks.
        """

    def prefetch(self, spec: Spec) -> None:
        """Begin to start the server for `spec` in the background; returns at once."""

    def discard(self, key: str) -> None:
        """Stop and forget a server that nobody else uses."""

    def logs(self, key: str, since: float | None) -> str:
        """Return a server's output since `since`, seconds since the epoch."""

    def ended(self, key: str) -> str:
        """Return how a server's container has ended, "" while it runs and for an external one."""

    def do(self, key: str, action: str, given: Mapping[str, Json]) -> Json:
        """Do something with the containers of a server: see broker/control.py."""

    def network(self, key: str) -> str:
        """Return the name of the network on which a server is from now on."""

    def lease(self, ask: Ask) -> Grant | Build:
        """Grant a private part, or name what the asker has to build first."""

    def withdraw(self, number: int) -> None:
        """End whatever came, or is still to come, of this owner's asks under that number.

        For an asker that was interrupted, and cannot know how far it came.
        """

    def built(self, token: str, error: str | None, made: Json = None) -> None:
        """End a Build with success, and what came of it, or with `error`."""

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """Ask the isolation of a lease to do something in the middle of a test."""

    def release(self, lease_id: str, keep: bool, ahead: Ask | None = None) -> list[str]:
        """Give a lease back; returns a sentence per leftover that was closed.

        ahead: what this owner is going to `lease` next; it may be begun behind the release.
        """

    def dump(self, lease_id: str, place: str, at_once: bool) -> bool:
        """Have what a lease of a failed test holds written to `place`, an absolute path without
        suffix, in the background; False where nothing can be. Beside it goes a script, `.sh`, that
        opens it.

        at_once: for a lease that other tests use after this one, whose next call waits for it;
        else it comes once the lease is released with `keep`, and the data is dropped then.
        """

    def summary(self) -> list[dict[str, Json]]:
        """Return a row per server: name, service, image, origin, seconds, error, leases."""

    def notes(self) -> list[str]:
        """Return what a person should know about how this run is guarded and was started."""

    def close(self) -> None:
        """End this owner's part: give back every lease it still holds."""


VERBS = frozenset(name for name in vars(BrokerApi) if not name.startswith("_")) - {"close"}
"""What can be asked over the socket; who hangs up has closed."""
UNANSWERED = frozenset({"prefetch"})
"""The verbs whose asker does not wait: what goes wrong is met again by the verb that does."""
