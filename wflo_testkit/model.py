"""Plain data that crosses processes: what to run (Spec) and where it runs (Server)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from wflo_testkit.plain_data import read

if TYPE_CHECKING:
    from wflo_testkit.errors import TestkitError

Json = Any
"""What survives a JSON round trip: str, int, float, bool, None, lists and string-keyed dicts."""

CALLS = ("read_logs", "join_network", "control")
"""The fields of a Server that are no data: how its process asks the broker."""

MAIN = "main"
"""The name of the port that clients use, in `Spec.ports` and `Server.ports`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run for one service: frozen, comparable, and with a fingerprint.

    service: the kind, such as "postgres"; name: this server's own name ("postgres", "orders"),
        also its host name on the kit's network.
    image: reference of an image, official tag by default.
    command, environment, files: may hold the placeholders `{password}` (random per start),
        `{password_sha256}` (its hash, for a command: other users of the machine can list those),
        `{name}` (host name on the kit's network), `{host}` and `{port:NAME}` (published).
    ports: port name -> port inside the container; one is called "main".
    tmpfs: path -> mount options. sockets: folder inside in which the server also makes a Unix
        socket, "" for none.
    files: path inside -> text, put there once the published ports are known, so the command has
        to wait for it; where the server `keeps_ports`, before the start.
    secrets: the same, for files that only the container's user can read.
    options: what the service itself needs to know later (number of databases, namespaces, ...).
    external: address of a server that already runs; then no container is started.
    build: what the image is built from, in place of `image`: "context", an absolute path, and
        "dockerfile", "target", "args".
    entrypoint: in place of the image's, if it is not empty.
    ready: what has to be so besides the service's probe: see readiness.py.
    needs: name -> the spec, as plain data, of a server that is started first. Texts may hold
        `{name.attribute}` of it.
    asked: what the process that asks for the server does before anybody gets it: see
        broker/tasks.py.
    volumes: what -> path inside; a folder of this machine, absolute, or the name of a volume that
        goes with the run. docker: further arguments of docker-py's `containers.create`.
    replicas: containers at the start, which share the host name.
    keeps_ports: whether its published ports are the same after a restart.
    unique: non-empty for a server that must not be shared (one test's own server).
    per_process: whether each process that runs tests needs a server to itself, because its tests
        may change what is server-wide.
    networked: whether it is on the kit's network from its start, since it may want to reach other
        servers by name; else from when somebody asks for `Server.network`.
    startup_timeout: seconds.
    What may hold a password is left out of the repr.
    """

    service: str
    name: str
    image: str = ""
    command: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: Mapping[str, int] = field(default_factory=dict)
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    sockets: str = ""
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    build: Mapping[str, Json] = field(default_factory=dict, repr=False)
    entrypoint: tuple[str, ...] = field(default=(), repr=False)
    ready: tuple[Mapping[str, Json], ...] = ()
    needs: Mapping[str, Mapping[str, Json]] = field(default_factory=dict, repr=False)
    asked: tuple[str, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    docker: Mapping[str, Json] = field(default_factory=dict, repr=False)
    replicas: int = 1
    keeps_ports: bool = False
    username: str = ""
    options: Mapping[str, Json] = field(default_factory=dict, repr=False)
    external: str = field(default="", repr=False)
    unique: str = ""
    per_process: bool = False
    networked: bool = True
    startup_timeout: float = 60.0

    def __post_init__(self) -> None:
        for name in ("command", "entrypoint", "ready", "asked"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def fingerprint(self) -> str:
        """Content hash: equal for equal specs, in every process and on every machine."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Json]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """Return what `to_json` told. Raises ValueError, see `read`."""
        return read(cls, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the slow part of a server's start is done ahead, once, in an image of its own.

    script: run by `sh` in a container of the spec's image, without a network. Ends with 0 once
        all that it started has ended cleanly; nothing that it prints or leaves may be a secret.
    files: path inside -> text, there before the script runs.
    check: run by `sh` in a container of the finished image; ends with 0 only if that can serve.
    start: what to run on the finished image, under the password that it was made with.
    reset: the same where nobody knows that password: it sets a new one, `{password}`. None for a
        server without a password.
    limit: seconds that the script may take.
    """

    script: str = field(repr=False)
    check: str
    start: Spec
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    reset: Spec | None = None
    limit: float = 480.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the tests of a run began from, such as a schema; it may be part of a warm image.

    fingerprint: equal for equal contents, in every run.
    command: prints it as text; run in the server's container.
    secret: a word of this run's; a text that holds it is of no use to another run.
    """

    fingerprint: str
    command: tuple[str, ...]
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: plain data, survives JSON. Services add `url` and `env` in a subclass.

    host, ports: where a client on this machine connects (port name -> published port).
    internal_host, internal_ports: the same for a container on the kit's network; empty when
        the server is external.
    password: empty when the service has none.
    sockets: the folder on this machine in which it makes its Unix socket; "" if none is.
    on_network: the network on which the server was started, if it was; see `network`.
    seconds: from the start of the container, or of the look for it, to readiness.
    origin: where the image came from.
    is_shared: the kit's own, but it outlives the run, and other runs may use it meanwhile.
    is_for_one_test: whether the spec was unique, so that a test may do anything to the server.
    """

    service: str
    name: str
    host: str
    ports: Mapping[str, int]
    internal_host: str = ""
    internal_ports: Mapping[str, int] = field(default_factory=dict)
    username: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, Json] = field(default_factory=dict, repr=False)
    container_id: str = ""
    sockets: str = ""
    on_network: str = ""
    image: str = ""
    origin: str = ""
    seconds: float = 0.0
    is_external: bool = False
    is_shared: bool = False
    is_for_one_test: bool = False
    key: str = ""
    read_logs: Callable[[float | None], str] | None = field(default=None, repr=False, compare=False)
    join_network: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    control: Callable[..., Json] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def outside(cls, spec: Spec, host: str, port: int, **more: Any) -> Self:
        """Return the external server that `spec` names. more: further fields."""
        return cls(
            service=spec.service,
            name=spec.name,
            host=host,
            ports={MAIN: port},
            is_external=True,
            **more,
        )

    @property
    def port(self) -> int:
        """The published port that clients use."""
        return self.ports[MAIN]

    @property
    def internal_port(self) -> int:
        """The port that other containers on the kit's network use."""
        return self.internal_ports[MAIN]

    @property
    def network(self) -> str:
        """The name of the Docker network on which all servers of the run are, once it is asked for.

        "" when the server is external. Raises TestkitError.
        """
        return self.on_network or (self.join_network() if self.join_network is not None else "")

    def logs(self, since: float | None = None) -> str:
        """Return the container's output since `since` (seconds since the epoch), oldest first.

        Empty for an external server, whose logs the kit cannot read.
        """
        return self.read_logs(since) if self.read_logs is not None else ""

    def do(self, action: str, **given: Json) -> Any:
        """Have the broker do something with its containers. Raises TestkitError."""
        if self.control is None or self.is_external:
            raise self._cannot(action)
        return self.control(action, given)

    def to_json(self) -> dict[str, Json]:
        names = (each.name for each in dataclasses.fields(self) if each.name not in CALLS)
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_json(cls, data: Mapping[str, Json], **extra: Any) -> Self:
        """Return what `to_json` told, with `extra` fields. Raises ValueError, see `read`."""
        return read(cls, data, **extra)

    def _cannot(self, action: str) -> TestkitError:
        from wflo_testkit.errors import TestkitError

        cause = "it was made of plain data, and knows no broker to ask"
        fix = "ask the server that the fixture gives out"
        if self.is_external:
            cause = "it is external: the kit has not started it"
            fix = "leave this test out where the address is set"
        looked_at = str(self.options.get("url", self.host))
        return TestkitError(
            f"{self.name} cannot do {action!r}", cause=cause, looked_at=looked_at, fix=fix
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """What the broker asks an isolation for.

    kind: name of the LeaseKind; mode: how to isolate ("" for the service's default).
    params: what `LeaseKind.params` said, plain data.
    id: unique for the life of the run, lower-case letters and digits, usable in names.
    owner: the process that asks, such as "main" or "gw0". test: for which test, for people.
    """

    kind: str
    mode: str
    params: Mapping[str, Json]
    id: str
    owner: str
    test: str = "a test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One test's lease as the broker describes it: an id and what the service said about it."""

    is_granted: ClassVar[Literal[True]] = True
    id: str
    data: Mapping[str, Json] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The broker's answer to a lease that first needs something made, once, by the asker.

    token: names the work in `built`; data: where to make it.
    """

    is_granted: ClassVar[Literal[False]] = False
    token: str
    data: Mapping[str, Json] = field(repr=False)
