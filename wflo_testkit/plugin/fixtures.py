"""What the fixtures do once a test asks for them; declarations.py makes them."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from wflo_testkit.broker.api import Ask
from wflo_testkit.errors import MissingExtra
from wflo_testkit.model import Build, Json
from wflo_testkit.plugin import outcome
from wflo_testkit.plugin.context import Context
from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.plugin.reporting import report_errors
from wflo_testkit.service import Convenience, Lease, LeaseKind

if TYPE_CHECKING:
    from wflo_testkit.broker.api import BrokerApi
    from wflo_testkit.plugin.asking import Asked
    from wflo_testkit.plugin.passwords import Passwords

Part = TypeVar("Part", Convenience, LeaseKind)


def server(request: pytest.FixtureRequest, name: str) -> Any:
    """Return the running server `name`, or the Testcontainers object that it is."""
    session = request.config.stash[PROCESS].session
    with report_errors(session):
        return session.value(session.server(name))


def lease(
    request: pytest.FixtureRequest, name: str, suffix: str, inputs: Mapping[str, Any]
) -> Iterator[Any]:
    """Yield the handle of a lease on the server `name`, of the kind `suffix`.

    inputs: the values of the fixtures that the kind takes, by the fixtures' names.
    """
    context = Context(request, name, inputs)
    kind = _named(context.session.service(name).leases, suffix)
    with report_errors(context.session):
        asked = context.session.ahead.take(f"{name}_{suffix}")
        request.addfinalizer(asked.withdraw)  # before anything is asked for
        lease, ask = _take(context, kind, asked)
        made = kind.handle(lease, context)
        value = made.__enter__()
    noted = outcome.of(request.node)
    noted.handles[f"{name}_{suffix}"] = value
    noted.refusals[f"{name}_{suffix}"] = partial(kind.refused, lease)
    try:
        yield value
    finally:
        with report_errors(context.session):
            _give_back(context, lease, made, asked, ask)


def convenience(
    request: pytest.FixtureRequest, name: str, suffix: str, handle: Any
) -> Iterator[Any]:
    """Yield what a convenience of the server `name` opens on a handle."""
    context = Context(request, name)
    extra = _named(context.session.service(name).conveniences, suffix)
    opened = contextmanager(extra.open)(handle, context)
    with report_errors(context.session), _naming_the_extra(name, extra):
        value = opened.__enter__()
    try:
        yield value
    finally:
        with report_errors(context.session):
            opened.__exit__(None, None, None)


def own_servers(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """Yield server -> what makes it unique, of those that one test has to itself; remove them."""
    names: dict[str, str] = defaultdict(partial(secrets.token_hex, 3))
    yield names
    session = request.config.stash[PROCESS].session
    with report_errors(session), ExitStack() as stack:  # though the removal of another raises
        for name, unique in names.items():
            stack.callback(session.discard, name, unique)


def _named(parts: Sequence[Part], name: str) -> Part:
    return next(each for each in parts if each.name == name)


def _give_back(
    context: Context, lease: Lease, made: AbstractContextManager[Any], asked: Asked, ask: Ask
) -> None:
    """Close what the handle holds in this process, then release; the release is never skipped."""
    try:
        made.__exit__(None, None, None)
    finally:
        leftovers = _release(context, lease, ask)
        asked.is_over = True
    if leftovers:
        context.warn("; ".join(leftovers))


def _release(context: Context, lease: Lease, ask: Ask) -> list[str]:
    """Release a lease, and ask ahead for the next test's; returns what was left open."""
    ahead, keep = context.session.ahead, outcome.of(context.node).failed
    try:
        following = ahead.begin(f"{context.name}_{ask.kind}", ask)
        return context.session.broker.release(lease.id, keep, following)
    except BaseException:
        ahead.withdraw()
        raise


def _take(context: Context, kind: LeaseKind, asked: Asked) -> tuple[Lease, Ask]:
    """Lease from the broker, building first whatever it names; return also what was asked for."""
    broker = context.session.broker
    params = kind.params(context)  # first: to load a schema takes as long as part of the start
    server = context.server
    ask = asked.settled(
        Ask(
            key=server.key,
            kind=kind.name,
            mode=context.mode,
            params=params,
            test=context.nodeid,
            number=asked.number,
        )
    )
    # Not by its class: a test may have had the kit's modules imported anew.
    while not (got := broker.lease(ask)).is_granted:
        _build(context, kind, got)
    context.session.passwords.learn_of_lease(got.data)
    call = partial(_call, broker, context.session.passwords, got.id)
    return Lease(id=got.id, server=server, data=got.data, call=call), ask


def _call(broker: BrokerApi, passwords: Passwords, lease_id: str, verb: str, **args: Json) -> Json:
    """Ask for something in the middle of a test; passwords in the answer are to be masked, too.

    Pickles, as whatever it is given here does: a test may hand its handle to another process.
    """
    answer = broker.call(lease_id, verb, args)
    if isinstance(answer, Mapping):
        passwords.learn_of_lease(answer)
    return answer


def _build(context: Context, kind: LeaseKind, build: Build) -> None:
    broker = context.session.broker
    context.session.passwords.learn_of_lease(build.data)
    try:
        kind.build(context, build.data)
    except BaseException as error:
        broker.built(build.token, f"{type(error).__name__}: {error}")
        raise
    broker.built(build.token, None)


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
