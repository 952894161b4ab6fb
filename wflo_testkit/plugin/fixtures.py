"""Makes the fixtures of every server from the table of services."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import MissingExtra
from wflo_testkit.model import Build, Grant
from wflo_testkit.plugin import outcome
from wflo_testkit.plugin.context import OWN_SERVERS, Context
from wflo_testkit.plugin.env import wflo_env
from wflo_testkit.plugin.kit import KIT, Kit
from wflo_testkit.plugin.plainly import plainly
from wflo_testkit.service import Convenience, Input, Lease, LeaseKind, Service

if TYPE_CHECKING:
    from wflo_testkit.model import Server


def make(names: Mapping[str, Service]) -> ModuleType:
    """Return a plugin that holds the fixtures of every server in `names` (name -> service)."""
    holder = ModuleType("wflo_testkit_fixtures")
    holder.wflo_env = wflo_env  # type: ignore[attr-defined]
    holder.own_servers = _own_servers  # type: ignore[attr-defined]
    for name, service in names.items():
        _hold(holder, f"{name}_server", _server(name), f"The running {name} server.", "session")
        for each in service.inputs:
            _hold(holder, f"{name}_{each.name}", _input(each), each.doc, "session")
        for kind in service.leases:
            _hold(holder, f"{name}_{kind.name}", _lease(name, kind), kind.doc)
        for extra in service.conveniences:
            _hold(holder, f"{name}_{extra.name}", _convenience(name, extra), extra.doc)
    return holder


def _hold(
    holder: ModuleType, name: str, function: Callable[..., Any], doc: str, scope: Any = "function"
) -> None:
    function.__doc__ = doc
    setattr(holder, name, pytest.fixture(scope=scope, name=name)(function))


def _server(name: str) -> Callable[..., Any]:
    def server(request: pytest.FixtureRequest) -> Server:
        kit = request.config.stash[KIT]
        with plainly(kit):
            return kit.server(name)

    return server


def _input(_each: Input) -> Callable[..., Any]:
    def unset() -> None:
        return None

    return unset


def _lease(name: str, kind: LeaseKind) -> Callable[..., Any]:
    def handle(request: pytest.FixtureRequest) -> Iterator[Any]:
        context = Context(request, name)
        with plainly(context.kit):
            lease = _take(context, kind)
            made = kind.handle(lease, context)
            try:
                value = made.__enter__()
            except BaseException:
                context.kit.broker.release(lease.id, False)
                raise
        outcome.holds(request.node, f"{name}_{kind.name}", value)
        try:
            yield value
        finally:
            with plainly(context.kit):
                _give_back(context, lease, made)

    return handle


def _give_back(context: Context, lease: Lease, made: AbstractContextManager[Any]) -> None:
    """Close what the handle holds in this process, then release; the release is never skipped."""
    leftovers: list[str] = []
    try:
        made.__exit__(None, None, None)
    finally:
        keep = outcome.failed(context.node)
        leftovers = context.kit.broker.release(lease.id, keep)
    if leftovers:
        context.warn("; ".join(leftovers))


def _take(context: Context, kind: LeaseKind) -> Lease:
    """Lease from the broker, building first whatever it names."""
    from wflo_testkit.broker.api import Ask

    broker = context.kit.broker
    server = context.server
    ask = Ask(key=server.key, kind=kind.name, mode=context.mode, params=kind.params(context))
    while not isinstance(got := broker.lease(ask), Grant):
        _build(context, kind, got)
    return Lease(
        id=got.id,
        server=server,
        data=got.data,
        call=lambda verb, **args: broker.call(got.id, verb, args),
    )


def _build(context: Context, kind: LeaseKind, build: Build) -> None:
    broker = context.kit.broker
    try:
        kind.build(context, build.data)
    except BaseException as error:
        broker.built(build.token, f"{type(error).__name__}: {error}")
        raise
    broker.built(build.token, None)


def _convenience(name: str, extra: Convenience) -> Callable[..., Any]:
    def convenience(request: pytest.FixtureRequest) -> Iterator[Any]:
        context = Context(request, name)
        handle = context.sibling(extra.lease)
        opened = contextmanager(extra.open)(handle, context)
        with plainly(context.kit), _naming_the_extra(name, extra):
            value = opened.__enter__()
        try:
            yield value
        finally:
            with plainly(context.kit):
                opened.__exit__(None, None, None)

    return convenience


@contextmanager
def _naming_the_extra(name: str, extra: Convenience) -> Iterator[None]:
    """A missing client library fails at use, with the command that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in extra.packages:
            raise
        what, packages = f"the fixture {name}_{extra.name}", " and ".join(extra.packages)
        raise MissingExtra.of(what, packages, extra.extra, error) from None


class _OwnServers:
    """The servers that one test has to itself."""

    def __init__(self) -> None:
        self._unique: dict[str, str] = {}

    def unique(self, name: str) -> str:
        return self._unique.setdefault(name, secrets.token_hex(3))

    def close(self, kit: Kit) -> None:
        for name, unique in self._unique.items():
            kit.discard(name, unique)


@pytest.fixture(name=OWN_SERVERS)
def _own_servers(request: pytest.FixtureRequest) -> Iterator[_OwnServers]:
    """Servers for this test alone, removed after everything that uses them."""
    own = _OwnServers()
    yield own
    own.close(request.config.stash[KIT])
