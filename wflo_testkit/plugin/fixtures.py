"""What the fixtures do once a test asks for them; declarations.py makes them."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from wflo_testkit.errors import MissingExtra, SettingError
from wflo_testkit.plugin import outcome
from wflo_testkit.plugin.asking import Asked
from wflo_testkit.plugin.context import Context, unknown
from wflo_testkit.plugin.own_server import chosen
from wflo_testkit.plugin.prefetch import OWN_SERVER
from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.plugin.reporting import report_errors
from wflo_testkit.plugin.session import session_of
from wflo_testkit.run import leasing
from wflo_testkit.service import Convenience, Lease, LeaseKind

if TYPE_CHECKING:
    from wflo_testkit.broker.api import Ask
    from wflo_testkit.plugin.scopes import Scoped
    from wflo_testkit.settings.leases import DeclaredLease

Part = TypeVar("Part", Convenience, LeaseKind)


def server(request: pytest.FixtureRequest, name: str) -> Iterator[Any]:
    """Yield the running server `name`, or the Testcontainers object that it is."""
    session = session_of(request.config)
    own = chosen(request)
    with report_errors(session):
        if own is not None and own.mode != OWN_SERVER:
            raise unknown(f"mode of {name}", own.mode, [OWN_SERVER], own.nodeid)
        unique = own.unique if own is not None else ""
        value = session.value(session.server(name, unique))
    yield value
    if unique:
        with report_errors(session):
            session.discard(name, unique)


def lease(
    request: pytest.FixtureRequest,
    name: str,
    suffix: str,
    inputs: Mapping[str, Any],
    made: Scoped | None = None,
) -> Iterator[Any]:
    """Yield the handle of a lease on the server `name`, of the kind `suffix`.

    inputs: the values of the fixtures that the kind takes, by the fixtures' names.
    made: what `scoped` was asked for, if it made the fixture.
    """
    context = Context(request, name, inputs, made)
    session = context.session
    kind = _named(session.service(name).leases, suffix)
    with report_errors(session):
        if made is not None and context.is_wide:
            session.overrides.refuse_two(request, made)
        asked = (
            Asked(lambda: session.broker)
            if context.is_wide
            else session.ahead.take(context.fixture)
        )
        request.addfinalizer(asked.withdraw)  # before anything is asked for
        broker = session.broker
        ask = leasing.ask_for(kind, context, number=asked.number, shared=context.name_in_run)
        ask = asked.settled(ask)
        lease = leasing.take(broker, kind, context, ask, session.passwords.learn_of_lease)
        noted = context.note(kind, lease)  # before the handle: a schema may fail the test
        leased = leasing.Leased(kind, lease, context)
        noted.handle = leased.handle
    if context.is_wide:
        session.wide.add(leased.handle, context.noted)
        request.addfinalizer(partial(session.wide.remove, leased.handle))
    try:
        yield leased.handle
    finally:
        with report_errors(session):
            if leftovers := leased.give_back(lambda: _release(context, lease, ask, asked)):
                context.warn(*leftovers)


def scoped(request: pytest.FixtureRequest, made: Scoped, needs: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what a fixture made by `scoped` stands for. needs: what it takes, by name."""
    if (part := made.part) is None:
        with report_errors(session_of(request.config)):
            raise made.unknown(request.config.stash[PROCESS].owners)
    if part.kind == "lease":
        given = {f"{part.server}_{name}": value for name, value in made.inputs.items()}
        yield from lease(request, part.server, part.suffix, {**needs, **given}, made)
    else:
        yield from convenience(request, part.server, part.suffix, *needs.values(), made=made)


def declared(request: pytest.FixtureRequest, lease: DeclaredLease) -> Any:
    """Return the handle of a lease that the project's file declares."""
    session = session_of(request.config)
    with report_errors(session):
        server = session.server(lease.server)
        outcome.of(getattr(request, "_pyfuncitem", request.node)).servers[server.key] = server
        return session.declared_lease(lease.name)


def name_maker(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Return what makes names for one test, and notes them."""
    names, given = session_of(request.config).names, outcome.of(request.node).names

    def make(word: str) -> str:
        given.append(names.make(word))
        return given[-1]

    return make


def convenience(
    request: pytest.FixtureRequest,
    name: str,
    suffix: str,
    handle: Any,
    *,
    made: Scoped | None = None,
) -> Iterator[Any]:
    """Yield what a convenience of the server `name` opens on a handle."""
    context = Context(request, name, made=made)
    extra = _named(context.session.service(name).conveniences, suffix)
    opened = contextmanager(extra.open)(handle, context)
    with report_errors(context.session), _naming_the_extra(name, extra):
        if context.loop_scope and not extra.takes_loop:
            raise _any_loop(context)
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
    session = session_of(request.config)
    with report_errors(session), ExitStack() as stack:  # though the removal of another raises
        for name, unique in names.items():
            stack.callback(session.discard, name, unique)


def _named(parts: Sequence[Part], name: str) -> Part:
    return next(each for each in parts if each.name == name)


def _release(context: Context, lease: Lease, ask: Ask, asked: Asked) -> list[str]:
    """Release a lease, and ask ahead for the next test's; returns what was left open."""
    ahead = context.session.ahead
    try:
        following = None if context.is_wide else ahead.begin(context.fixture, ask)
        leftovers = context.session.broker.release(lease.id, context.noted.failed, following)
    except BaseException:
        ahead.withdraw()
        raise
    asked.is_over = True
    return leftovers


def _any_loop(context: Context) -> SettingError:
    return SettingError(
        f"{context.fixture} has no use for loop_scope={context.loop_scope!r}",
        cause="it is no async fixture that belongs to one event loop",
        fix="leave loop_scope out",
    )


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
