"""What a service is: the table row from which fixtures, settings and reports follow.

A service describes; it starts nothing. The broker calls `spec`, `probe` and `isolation` in the
process that owns the containers; the plugin calls `LeaseKind` and `Convenience` in the process
that runs the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json, Recipe, Server, Spec
from wflo_testkit.model import LeaseRequest as LeaseRequest  # whoever writes a service needs both
from wflo_testkit.outline import Fixture

if TYPE_CHECKING:
    from wflo_testkit.isolation import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting: option on the command line, variable, key in pyproject.toml and row in the docs.

    key: full name, for a service's own "<service>_<word>".
    default: also gives the type (str, int, float, bool, list of str, dict); None takes whatever
        its service can read.
    choices: the only values allowed, if not empty.
    variables: further environment variables that set it, weaker than WFLO_TESTKIT_<KEY>.
    on_command_line: whether `--wflo-<key>` exists.
    in_environment: whether WFLO_TESTKIT_<KEY> exists; without both it stands in the file only.
    """

    key: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    on_command_line: bool = True
    in_environment: bool = True


class TestContext(Protocol):
    """What test-side code of a service can ask of the plugin."""

    __test__: bool

    @property
    def nodeid(self) -> str:
        """The test's id."""

    @property
    def run(self) -> str:
        """The run's id."""

    @property
    def records(self) -> Path | None:
        """A folder of this user's for what a service wants to know in later runs; it need not
        exist. None where nothing can be kept."""

    @property
    def root(self) -> Path:
        """The project's folder, to which paths in settings are relative: pytest's rootdir."""

    @property
    def server(self) -> Server:
        """The server that this test uses, started when first asked for."""

    @property
    def mode(self) -> str:
        """The isolation mode: the test's marker, else the setting, else ""."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """This server's settings, without the service's prefix."""

    @property
    def loop_scope(self) -> str:
        """How long the one event loop lasts in which a convenience may be used, in the words of
        pytest-asyncio; "" for any loop."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The values of the inputs that the LeaseKind names, by those names."""

    def variables(self, handle: Any) -> Mapping[str, str]:
        """Return the user's variables that name no other server, filled from `handle`."""

    @property
    def has_failed(self) -> bool:
        """Whether the test's set-up or call has failed, so that what is there is evidence."""

    def warn(self, *messages: str) -> None:
        """Warn about what the test left open, with the test's name: see Isolation.release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A granted lease on the side of the test.

    call: asks the isolation to do something: `call(verb, name=value, ...)`.
    is_of_run: whether it is one for all processes of the run.
    """

    id: str
    server: Server
    data: Mapping[str, Json] = field(repr=False)
    call: Callable[..., Json] = field(repr=False, compare=False)
    is_of_run: bool = False

    @property
    def marks(self) -> set[str]:
        """What stands in its data, and not in its server's: names, accounts, passwords."""
        told = self.server.to_json().values()
        known = {each for each in told if isinstance(each, str)}
        texts = (each for each in self.data.values() if isinstance(each, str) and len(each) > 7)
        return set(texts) - known

    def calling_once(self, verb: str) -> Callable[[], None]:
        """Return what makes the call `verb` when it is first called; too late does no harm."""
        return _Once(self.call, verb)


@dataclass(slots=True)
class _Once:
    """Makes a call once. Pickles; the copy may make it again."""

    call: Callable[..., Json]
    verb: str
    is_made: bool = False

    def __call__(self) -> None:
        if not self.is_made:
            with suppress(IsolationFailed):
                self.call(self.verb)
            self.is_made = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseKind:
    """A function-scoped fixture `<server name>_<name>` whose value is a handle.

    handle: builds the handle; a context manager when something has to be closed in the test's
        own process before the lease goes back.
    params: what the isolation must know about this test.
    build: does the work of a `Build`, in the test's process.
    inputs: names of the service's inputs whose values these two, and `handle`, find in the test's
        `inputs`; the lease's fixture takes those fixtures as arguments.
    refused: what the server has refused the test's account so far, and what to do about it, for
        the report of a failed test, whose error is given as text; may raise a TestkitError, which
        is passed over.
    """

    name: str
    doc: str
    handle: Callable[[Lease, TestContext], AbstractContextManager[Any]]
    params: Callable[[TestContext], Mapping[str, Json]] = lambda _test: {}
    build: Callable[[TestContext, Mapping[str, Json]], None] = lambda _test, _data: None
    inputs: tuple[str, ...] = ()
    refused: Callable[[Lease, str], Sequence[str]] = lambda _lease, _failure: ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Convenience:
    """A function-scoped fixture `<server name>_<name>` on top of a handle: a client, an engine.

    lease: name of the LeaseKind that it needs. open: generator that yields the value.
    extra: the extra of wflo-testkit that brings the libraries; packages: their import names.
    takes_loop: whether it heeds `loop_scope`.
    """

    name: str
    doc: str
    lease: str
    open: Callable[[Any, TestContext], Iterator[Any]]
    extra: str = ""
    packages: tuple[str, ...] = ()
    takes_loop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A session-scoped fixture `<server name>_<name>` that users override; None by default."""

    name: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Whose a line of a server's log is, for the report of a failed test: regular expressions.

    kits: found in what the kit's own doing has caused. lease: finds what leases are called, in a
    line and in a lease's data; a line with the names of other leases alone is another test's.
    "" finds nothing.
    """

    kits: str = ""
    lease: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One row of the table of services.

    spec: (server name, its settings without prefix) -> what to run.
    probe: one cheap attempt to use the server; raises while it is not ready. Takes at most
        about a second. Called from the broker's process, every 20-50 ms.
    server: the Server subclass with `url` and `env`.
    external: (spec whose `external` is set) -> Server; connects to nothing.
        None: there never is one that the kit did not start.
    isolation: (server, run id) -> Isolation; the run id is part of every name it makes. None, and
        no leases: tests use the server as a whole.
    warm: (spec, password) -> how an image is made from which `spec` starts faster, or None if it
        cannot be. Equal arguments give equal recipes. Where the isolation `Repeats` also (spec,
        password, what a run began from, its text) -> the same with that inside.
    start_seconds: how long a start typically takes; what takes longest is begun first.
    hints: words that people write in a server's table, and what is nearest to them there.
    modes: names accepted by `@pytest.mark.wflo(<service>=...)`, default first.
    log: whose the lines of its log are.
    """

    name: str
    spec: Callable[[str, Mapping[str, Any]], Spec]
    probe: Callable[[Server], None]
    server: type[Server] = Server
    external: Callable[[Spec], Server] | None = None
    isolation: Callable[[Server, str], Isolation] | None = None
    leases: tuple[LeaseKind, ...] = ()
    conveniences: tuple[Convenience, ...] = ()
    inputs: tuple[Input, ...] = ()
    options: tuple[Option, ...] = ()
    warm: Callable[..., Recipe | None] | None = None
    start_seconds: float = 1.0
    modes: tuple[str, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)
    log: LogLines = LogLines()


def fixtures(service: Service) -> tuple[Fixture, ...]:
    """Return what a server of `service` brings as fixtures: see `outline.Fixture`."""
    return (
        ("server", "server", (), ""),
        *((each.name, "input", (), each.doc) for each in service.inputs),
        *((kind.name, "lease", kind.inputs, kind.doc) for kind in service.leases),
        *((extra.name, "convenience", (extra.lease,), extra.doc) for extra in service.conveniences),
    )


def lazy(path: str) -> Callable[..., Any]:
    """Return a function that imports `package.module:function` at its first call and calls that.

    For what a service's row names and most runs never use: the row loads at every pytest start.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        from importlib import import_module

        home, _, name = path.partition(":")
        return getattr(import_module(home), name)(*args, **kwargs)

    return call


def conveniences(
    home: str,
    lease: str,
    extra: str,
    packages: tuple[str, ...],
    *,
    takes_loop: bool = False,
    **docs: str,
) -> tuple[Convenience, ...]:
    """Return a convenience per keyword (name=doc), opened by the function `home:<name>`."""
    return tuple(
        Convenience(
            name=name,
            doc=doc,
            lease=lease,
            open=lazy(f"{home}:{name}"),
            extra=extra,
            packages=packages,
            takes_loop=takes_loop,
        )
        for name, doc in docs.items()
    )


def plain(handle: Any) -> AbstractContextManager[Any]:
    """Wrap a handle that has nothing to close in the test's process."""
    return nullcontext(handle)
