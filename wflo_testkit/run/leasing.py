"""One lease, from the broker to its handle and back; knows neither pytest nor a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from wflo_testkit.broker.api import Ask, BrokerApi
from wflo_testkit.model import Build, Json, Server
from wflo_testkit.service import Lease, LeaseKind, TestContext

Learn = Callable[[Mapping[str, Json]], None]
"""Is told what a lease or a build says of itself, passwords among it. Pickles."""


def ask_for(kind: LeaseKind, test: TestContext, *, number: int = 0, shared: str = "") -> Ask:
    """Return what to ask the broker for. number, shared: see Ask. Raises TestkitError."""
    params = kind.params(test)  # first: to load a schema takes as long as part of the start
    return Ask(
        key=test.server.key,
        kind=kind.name,
        mode=test.mode,
        params=params,
        test=test.nodeid,
        number=number,
        shared=shared,
    )


def take(broker: BrokerApi, kind: LeaseKind, test: TestContext, ask: Ask, learn: Learn) -> Lease:
    """Lease from the broker, building first whatever it names. Raises TestkitError."""
    # Not by its class: a test may have had the kit's modules imported anew.
    while not (got := broker.lease(ask)).is_granted:
        _build(broker, kind, test, got, learn)
    learn(got.data)
    call = partial(_call, broker, learn, got.id)
    is_of_run = bool(ask.shared)
    return Lease(id=got.id, server=test.server, data=got.data, call=call, is_of_run=is_of_run)


def _build(
    broker: BrokerApi, kind: LeaseKind, test: TestContext, build: Build, learn: Learn
) -> None:
    learn(build.data)
    try:
        kind.build(test, build.data)
    except BaseException as error:
        broker.built(build.token, f"{type(error).__name__}: {error}")
        raise
    broker.built(build.token, None)


def _call(broker: BrokerApi, learn: Learn, lease_id: str, verb: str, **args: Json) -> Json:
    """Ask for something in the middle of a test; passwords in the answer are to be masked, too.

    Pickles, as whatever it is given here does: a test may hand its handle to another process.
    """
    answer = broker.call(lease_id, verb, args)
    if isinstance(answer, Mapping):
        learn(answer)
    return answer


class Leased:
    """A lease and its handle, which is open until `give_back`."""

    def __init__(self, kind: LeaseKind, lease: Lease, test: TestContext) -> None:
        """Open the handle. Raises TestkitError; then the lease is the caller's to withdraw."""
        self.lease = lease
        self._opened: AbstractContextManager[Any] = kind.handle(lease, test)
        self.handle = self._opened.__enter__()

    def give_back(self, release: Callable[[], list[str]]) -> list[str]:
        """Close what the handle holds in this process, then release, which is never skipped.

        Returns a sentence per leftover.
        """
        try:
            self._opened.__exit__(None, None, None)
        finally:
            leftovers = release()
        return leftovers


@dataclass(kw_only=True)
class WithoutTest:
    """A service.TestContext for what is leased by no test, such as a lease that a file declares.

    find_server: returns the ready server. fill: see TestContext.variables.
    """

    nodeid: str
    run: str
    root: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, Any]
    find_server: Callable[[], Server]
    fill: Callable[[Any], Mapping[str, str]]
    records: Path | None = None
    loop_scope: str = ""
    has_failed: bool = False

    __test__ = False

    @cached_property
    def server(self) -> Server:
        return self.find_server()

    @property
    def mode(self) -> str:
        return str(self.settings.get("isolation", ""))

    def variables(self, handle: Any) -> Mapping[str, str]:
        return self.fill(handle)

    def warn(self, *messages: str) -> None:
        """Pass it over: no test is to blame, and a container may use the lease."""
