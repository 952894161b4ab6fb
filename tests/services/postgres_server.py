"""A Postgres server from the service's own Spec, and a stand-in for the plugin."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from tests.images_at_hand import MAY_BE_BUILT, image_of
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.leases import Leases
from wflo_testkit.errors import StartFailed
from wflo_testkit.isolation import AGAIN, HeldLease
from wflo_testkit.model import MAIN, Build, Grant, Server
from wflo_testkit.service import Convenience, Lease, LeaseRequest
from wflo_testkit.services.postgres import SERVICE, PostgresDatabase, PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.wait import wait_until


def version(name: str, *, slow: bool = True) -> Any:
    """Return the parameter of a fixture: an entry of the catalogue, whose image may be built."""
    return pytest.param(name, marks=MAY_BE_BUILT if slow else ())


VERSIONS = [version("postgres", slow=False), version("postgres-13"), version("postgres-18")]
RECYCLING = [version("postgres", slow=False), version("postgres-18")]
"""Where used databases can be recycled: counters go through shared memory since 15."""


@contextmanager
def started(
    password: str = "", *, version: str = "postgres", **settings: Any
) -> Iterator[PostgresServer]:
    """Run the Spec for `settings` with docker-py, on a random port of 127.0.0.1 and a socket."""
    import docker
    from docker.types import Mount

    password = password or secrets.token_urlsafe(12)
    spec = SERVICE.spec("postgres", {"image": image_of(version), **settings})
    client = docker.from_env()
    home = Path(tempfile.mkdtemp(prefix="tests-"))
    sockets = home / "sockets"
    sockets.mkdir()
    sockets.chmod(0o1777)
    container = client.containers.run(
        spec.image,
        list(spec.command),
        environment={k: v.replace("{password}", password) for k, v in spec.environment.items()},
        tmpfs=dict(spec.tmpfs),
        mounts=[Mount(spec.sockets, str(sockets), type="bind")],
        ports={f"{spec.ports[MAIN]}/tcp": ("127.0.0.1", None)},
        detach=True,
    )
    try:
        container.reload()
        published = container.ports[f"{spec.ports[MAIN]}/tcp"][0]["HostPort"]
        server = PostgresServer(
            service="postgres",
            name="postgres",
            host="127.0.0.1",
            ports={MAIN: int(published)},
            internal_host="postgres",
            internal_ports=dict(spec.ports),
            username=spec.username,
            password=password,
            sockets=str(sockets),
            options=dict(spec.options),
            container_id=str(container.id),
            read_logs=lambda _since: container.logs().decode(errors="replace"),
        )
        wait_until(lambda: SERVICE.probe(server) is None, timeout=60, describe="Postgres")
        yield server
    except TimeoutError as error:
        raise StartFailed("no Postgres", cause=container.logs().decode()) from error
    finally:
        container.remove(force=True, v=True)
        client.close()
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with started() as running:
        yield running


@pytest.fixture(scope="module", params=VERSIONS, name="server")
def server_of_each_version(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with started(version=request.param) as running:
        yield running


@pytest.fixture(scope="module", params=RECYCLING, name="server")
def server_that_recycles(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with started(version=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def shared_isolation(server: PostgresServer) -> Iterator[PostgresIsolation]:
    made = PostgresIsolation(server, uuid.uuid4().hex[:8])
    yield made
    made.close()


@pytest.fixture
def asker(shared_isolation: PostgresIsolation, server: PostgresServer) -> Asker:
    return Asker(shared_isolation, server)


@cache
def records() -> Path:
    """Return the folder in which all runs of this process note what schemas were made from."""
    folder = tempfile.mkdtemp(prefix="wflo-tests-")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


class OneServer:
    """What the broker's leases ask of its servers, where there is one."""

    def __init__(self, isolation: PostgresIsolation) -> None:
        self._isolation = isolation

    def isolation(self, _key: str) -> PostgresIsolation:
        return self._isolation

    def count(self, _key: str) -> None:
        """Count nothing: there is no summary."""

    def note_kept(self, _key: str, _lease: HeldLease) -> None:
        """Note nothing: the cluster does."""


@dataclass
class Asker:
    """A test process: asks for leases and builds what they need, as the plugin does.

    It is the TestContext, too; `schema` is what the fixture `postgres_schema` returns.
    """

    isolation: PostgresIsolation
    server: PostgresServer
    schema: Any = None
    mode: str = "database"
    owner: str = "main"
    keep: bool = False
    warnings: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    nodeid: str = "test_it.py::test"
    env: Mapping[str, str] = field(default_factory=dict)
    run: str = "a0a0a0a0"
    loop_scope: str = ""
    records: Path | None = field(default_factory=records)
    root: Path = field(default_factory=Path.cwd)

    __test__ = False

    def __post_init__(self) -> None:
        self.leases = Leases(OneServer(self.isolation))  # type: ignore[arg-type]

    @property
    def inputs(self) -> Mapping[str, Any]:
        return {"schema": self.schema}

    def variables(self, handle: Any) -> Mapping[str, str]:
        """Return the setting `env` of these tests, filled."""
        return {name: text.format(postgres=handle) for name, text in self.env.items()}

    @property
    def has_failed(self) -> bool:
        return self.keep

    def warn(self, *messages: str) -> None:
        self.warnings += [each.removeprefix(AGAIN) for each in messages]

    @contextmanager
    def database(self, kind: str = "database", **changes: Any) -> Iterator[PostgresDatabase]:
        """Lease, yield the handle, release; leftovers go to `warnings`."""
        for name, value in changes.items():
            setattr(self, name, value)
        row = next(each for each in SERVICE.leases if each.name == kind)
        lease = self.take(row)
        try:
            with row.handle(lease, self) as handle:
                yield handle
        finally:
            self.warn(*self.leases.release(lease.id, keep=self.keep))

    def take(self, row: Any) -> Lease:
        while True:
            ask = Ask(key="", kind=row.name, mode=self.mode, params=row.params(self))
            got = self.leases.lease(ask, self.owner)
            if isinstance(got, Grant):
                call = partial(self.call, got.id)
                return Lease(id=got.id, server=self.server, data=got.data, call=call)
            self.build(row, got, self.leases.built)

    def call(self, lease_id: str, verb: str, **args: Any) -> Any:
        return self.leases.call(lease_id, verb, args)

    def build(self, row: Any, build: Build, built: Any = None) -> None:
        """Do what a lease has asked for; built: whom to tell, by default the isolation."""
        built = built or self.isolation.built
        try:
            row.build(self, build.data)
        except BaseException as error:
            built(build.token, str(error))
            raise
        built(build.token, None)

    def request(self, row: Any) -> LeaseRequest:
        return LeaseRequest(
            kind=row.name,
            mode=self.mode,
            params=row.params(self),
            id=uuid.uuid4().hex[:8],
            owner=self.owner,
        )

    def settled(self) -> dict[str, int]:
        """Wait until nothing is under way; return how many were recycled and replaced."""
        pool = self.isolation._pool
        wait_until(
            lambda: not any(stock.coming for stock in pool._of_template.values()),
            timeout=60,
            poll=0.002,
        )
        return self.isolation.figures()

    @contextmanager
    def convenience(self, name: str, handle: PostgresDatabase) -> Iterator[Any]:
        """Open the convenience `name` on `handle`, and close it as the plugin does."""
        row: Convenience = next(each for each in SERVICE.conveniences if each.name == name)
        with contextmanager(row.open)(handle, self) as value:
            yield value


def query(where: Server | PostgresDatabase, sql: str, database: str = "") -> list[tuple[Any, ...]]:
    """Run one statement in a connection of its own."""
    import psycopg

    address = where.address if isinstance(where, PostgresServer) else where.address()
    keywords: dict[str, Any] = address.keywords()
    if database:
        keywords["dbname"] = database
    with psycopg.connect(**keywords, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def tables(handle: PostgresDatabase) -> list[str]:
    """Return the tables that are found without naming a schema."""
    found = query(
        handle,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
        " AND pg_table_is_visible(oid) ORDER BY 1",
    )
    return [row[0] for row in found]


def databases(server: PostgresServer) -> set[str]:
    """Return the names of all databases that the kit has made."""
    return {row[0] for row in query(server, "SELECT datname FROM pg_database") if "wflo" in row[0]}
