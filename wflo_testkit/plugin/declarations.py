"""Options and fixtures as pytest sees them; what the fixtures do is loaded at first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.plugin.process import OWN_SERVERS, dest

if TYPE_CHECKING:
    from wflo_testkit.outline import Fixture, Flag
    from wflo_testkit.settings.leases import DeclaredLease


SESSION_WIDE = ("server", "input")
"""The parts of a service that last for the session; the others last for a test."""


def add_options(parser: pytest.Parser, flags: Iterable[Flag]) -> None:
    """Register `--wflo-<key>` for every setting that the command line may give, and an action."""
    group = parser.getgroup("wflo-testkit", "wflo-testkit: real services in containers")
    text = "Print what each server would run, the settings and the hook applied, and run no test."
    group.addoption("--wflo-specs", dest=dest("specs"), choices=("json",), help=text)
    text = "Start these servers and leases, with commas between them, and run no test."
    group.addoption(
        "--wflo-up", dest=dest("up"), metavar="NAMES", help=f"{text} See `wflo-testkit up`."
    )
    text = "Write the addresses of what is up to this file."
    group.addoption("--wflo-up-env-file", dest=dest("up_env_file"), metavar="FILE", help=text)
    for key, is_switch, text in flags:
        flag = f"--wflo-{key.replace('_', '-')}"
        if is_switch:
            group.addoption(flag, dest=dest(key), action="store_const", const=True, help=text)
        else:
            metavar = key.rpartition("_")[2].upper()
            group.addoption(flag, dest=dest(key), default=None, metavar=metavar, help=text)


@pytest.fixture
def wflo_env(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables of the setting `env`, filled with this test's addresses.

    A placeholder is `{<server>.<attribute of its handle>}`, such as `{orders.url}`.
    """
    from wflo_testkit.plugin import env

    return env.filled(request)


@pytest.fixture(scope="session")
def wflo_container(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Starts a container once per run: `wflo_container("gateway", image=..., ports={...})`.

    Its words are those of a table `[tool.wflo-testkit.servers.gateway]`; ready and fill may be
    callables besides.
    """
    from wflo_testkit.plugin import containers

    return containers.container(request)


@pytest.fixture
def wflo_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A function that makes a name of a word, `wflo_name("bucket")`, which nobody else uses.

    Lower-case letters and digits, the first a letter, at most 63.
    """
    from wflo_testkit.plugin import fixtures

    return fixtures.name_maker(request)


@pytest.fixture(name=OWN_SERVERS)
def _own_servers(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Servers for this test alone, removed after everything that uses them."""
    from wflo_testkit.plugin import fixtures

    yield from fixtures.own_servers(request)


def make(
    servers: Mapping[str, str],
    fixtures: Mapping[str, Sequence[Fixture]],
    leases: Mapping[str, DeclaredLease],
) -> tuple[ModuleType, set[Callable[..., Any]]]:
    """Return a plugin that holds the fixtures of every server, and the functions behind them.

    servers: server -> service. fixtures: service -> what each of its servers brings.
    leases: those that the project's file declares.
    """
    holder = ModuleType("wflo_testkit_fixtures")
    holder.wflo_env = wflo_env  # type: ignore[attr-defined]
    holder.wflo_container = wflo_container  # type: ignore[attr-defined]
    holder.wflo_name = wflo_name  # type: ignore[attr-defined]
    holder.own_servers = _own_servers  # type: ignore[attr-defined]
    functions = set()
    whole: list[str] = []
    for server, service in servers.items():
        if all(part != "lease" for _suffix, part, *_rest in fixtures[service]):
            whole.append(server)
        for suffix, part, needs, doc in fixtures[service]:
            name = f"{server}_{suffix}"
            function = _FUNCTIONS[part](server, suffix)
            request = () if part == "input" else ("request",)
            function.__signature__ = _signature(*request, *(f"{server}_{each}" for each in needs))  # type: ignore[attr-defined]
            function.__doc__ = doc or f"The running {server} server."
            scope: Any = "session" if part in SESSION_WIDE else "function"
            setattr(holder, name, pytest.fixture(scope=scope, name=name)(function))
            functions.add(function)
    for name, lease in leases.items():
        function = _declared(lease)
        setattr(holder, name, pytest.fixture(scope="session", name=name)(function))
        functions.add(function)
    if whole:
        holder.pytest_generate_tests, holder.pytest_runtest_setup = _own_server(whole)  # type: ignore[attr-defined]
    return holder, functions


def _own_server(servers: Sequence[str]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the hooks for servers without leases: for such a one the marker speaks of itself."""

    def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
        if metafunc.definition.get_closest_marker("wflo") is not None:
            from wflo_testkit.plugin import own_server

            own_server.parametrize(metafunc, servers)

    def pytest_runtest_setup(item: pytest.Item) -> None:
        if item.get_closest_marker("wflo") is not None:
            from wflo_testkit.plugin import own_server

            own_server.refuse(item, servers)

    return pytest_generate_tests, pytest_runtest_setup


def _signature(*names: str) -> Signature:
    """Return what pytest reads, at every start, of which fixtures a function takes."""
    return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])


def _server(server: str, _suffix: str) -> Callable[..., Any]:
    def running(request: pytest.FixtureRequest) -> Iterator[Any]:
        from wflo_testkit.plugin import fixtures

        yield from fixtures.server(request, server)

    return running


def _input(_server: str, _suffix: str) -> Callable[..., Any]:
    def unset() -> None:
        return None

    return unset


def _lease(server: str, suffix: str) -> Callable[..., Any]:
    def handle(request: pytest.FixtureRequest, **inputs: Any) -> Iterator[Any]:
        from wflo_testkit.plugin import fixtures

        yield from fixtures.lease(request, server, suffix, inputs)

    return handle


def _convenience(server: str, suffix: str) -> Callable[..., Any]:
    def convenience(request: pytest.FixtureRequest, **lease: Any) -> Iterator[Any]:
        from wflo_testkit.plugin import fixtures

        yield from fixtures.convenience(request, server, suffix, *lease.values())

    return convenience


def _declared(lease: DeclaredLease) -> Callable[..., Any]:
    def declared(request: pytest.FixtureRequest) -> Any:
        from wflo_testkit.plugin import fixtures

        return fixtures.declared(request, lease)

    declared.__doc__ = f"The lease of {lease.table}, like `{lease.of}`, one per {lease.scope}."
    return declared


_FUNCTIONS: dict[str, Callable[[str, str], Callable[..., Any]]] = {
    "server": _server,
    "input": _input,
    "lease": _lease,
    "convenience": _convenience,
}
