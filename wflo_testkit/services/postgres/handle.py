"""One test's private part of a Postgres server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json
from wflo_testkit.reset import Reset
from wflo_testkit.service import Lease, TestContext
from wflo_testkit.services.postgres.address import Address, parse
from wflo_testkit.services.postgres.schema import Schema, schema_of
from wflo_testkit.services.postgres.schema.failure import advice
from wflo_testkit.services.postgres.schema.project import Project
from wflo_testkit.services.postgres.server import environment

_APPLIED_HERE = "in this isolation the test's process applies the schema, which it alone has"


def _nothing() -> None:
    """Let go of nothing."""


def _nobody(verb: str, **_args: Json) -> Json:
    """Stand for the broker before anybody has leased the database."""
    raise IsolationFailed(
        f"the kit cannot be asked for postgres_database.{verb}(...) here",
        cause="the database is just being given its schema",
        fix="call it in the test",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDatabase:
    """Name, address and account of a database that only this test sees; no live connection.

    mode: how it is kept apart, for people to read. gives_url: whether a test may connect by
        itself; if not, all that it does happens in one connection of the kit's.
    schema: where the database is shared, the Postgres schema that is the test's own, else "".
    template: what it was cloned from: the same for all tests with equal schemas.
    internal_host, internal_port: for containers on the kit's network; "" and 0 if external.
    sockets: folder on this machine with the server's Unix socket, by which the kit's engines
        connect; "" where there is none.
    container, administrator: id of the server's container, and who needs no password in there;
        "" if external.
    call: asks the broker for something, by a verb, while the test runs. resets: see `reset`.
    """

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    mode: str
    gives_url: bool = True
    schema: str = ""
    template: str = ""
    internal_host: str = ""
    internal_port: int = 0
    sockets: str = ""
    container: str = ""
    administrator: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    call: Callable[..., Json] = field(default=_nobody, repr=False, compare=False)
    resets: Reset = field(default_factory=Reset, repr=False, compare=False)

    def reset(self) -> None:
        """Make the database what it was when it was given out, schema and seed included.

        Name, address and account stay. All sessions in it end: those of the kit's own engines and
        sessions are closed before, and begin anew; a pool of the application's needs
        `pool_pre_ping`. Who was in the middle of something is warned about. Logins of `as_role`
        go. Raises IsolationFailed.
        """
        self.resets()

    @property
    def url(self) -> str:
        """libpq URI. Raises IsolationFailed where the mode gives none, as `rollback`."""
        return self.address("url").url()

    @property
    def internal_url(self) -> str:
        """libpq URI for a container on the kit's network."""
        return self._internal("internal_url").url()

    def sqlalchemy_url(self, driver: str = "asyncpg") -> str:
        """Return the URL for SQLAlchemy's `driver`: "asyncpg", "psycopg", "psycopg2"."""
        return self.address("sqlalchemy_url").sqlalchemy_url(driver)

    def as_role(self, role: str, *, driver: str = "") -> str:
        """Return the URL of a login that obeys row level security; it goes with the test.

        role: the login is a member of the role of that name, if there is one on the server; else
            it has USAGE, SELECT, INSERT, UPDATE and DELETE on all that is there by now. To call
            it again, for the same login, gives it what has been made since.
        driver: for SQLAlchemy, as in `sqlalchemy_url`; "" gives the libpq URI.
        On an external server the account is the test's own, and its sessions begin with SET ROLE.
        Raises IsolationFailed for a role that would not obey, for one that an external server does
        not have, and where the mode gives no URL.
        """
        own = self.address(f"as_role({role!r})")
        address = replace(own, **self.call("as_role", role=role))
        return address.sqlalchemy_url(driver) if driver else address.url()

    def env(self) -> dict[str, str]:
        """Return DATABASE_URL and libpq's variables."""
        return environment(self.address("env"))

    def internal_env(self) -> dict[str, str]:
        """Return the same for a container on the kit's network."""
        return environment(self._internal("internal_env"))

    @property
    def kept_command(self) -> str:
        """The command that opens the database after a failed test; "" when nothing is kept.

        It holds no password, since reports are kept by others: in the container none is asked
        for, and that of an external server is known to whoever has set its address.
        """
        if not self.gives_url:
            return ""
        if not self.container:
            return f"psql '{self.address().url_to_show()}'"
        inside = replace(self._address("", self.internal_port), user=self.administrator)
        return f"docker exec -it {self.container[:12]} psql '{inside.url_to_show()}'"

    @property
    def speaks_tls(self) -> bool | None:
        """False on the kit's own server, where asking for it costs a round trip; else unknown."""
        return False if self.internal_host else None

    @property
    def ways(self) -> list[tuple[str, int]]:
        """Hosts and ports of the kit's own engines, the quickest first; a host may be a folder."""
        by_socket = [(self.sockets, self.internal_port)] if self.sockets else []
        return [*by_socket, (self.host, self.port)]

    def address(self, asked: str = "") -> Address:
        """Return the address as one value.

        asked: what the caller asked for; then a mode that gives no URL is an error that says why.
        """
        if asked and not self.gives_url:
            raise no_connections_of_your_own(f"postgres_database.{asked}", self.mode)
        return self._address(self.host, self.port)

    def _internal(self, asked: str) -> Address:
        self.address(asked)
        if not self.internal_host:
            raise IsolationFailed(
                f"postgres_database.{asked} is not known",
                cause="the server is external: it is not on the kit's network",
                fix="use the `url`, or let the kit start the server",
            )
        return self._address(self.internal_host, self.internal_port)

    def _address(self, host: str, port: int) -> Address:
        return Address(
            host=host,
            port=port,
            user=self.user,
            password=self.password,
            database=self.name,
            parameters=self.parameters,
        )


def no_connections_of_your_own(asked: str, mode: str) -> IsolationFailed:
    """Return the error for asking, where the mode gives no URL, for a way around its one."""
    return IsolationFailed(
        f"{asked} is not to be had in Postgres isolation {mode!r}",
        cause="all the test does happens in one connection, inside a transaction that is rolled "
        "back; another connection would not see it, and would leave its own data behind",
        looked_at="setting postgres_isolation, or the test's marker wflo(postgres=...)",
        fix="use postgres_session or postgres_async_session, or isolation 'database': "
        '@pytest.mark.wflo(postgres="database")',
    )


def params(test: TestContext) -> Mapping[str, Json]:
    """Tell the isolation which schema the test's database is to hold."""
    schema = wanted(test)
    if schema is None:
        return {"schema": ""}
    return {"schema": schema.fingerprint, "lasts": schema.lasts}


def build(test: TestContext, data: Mapping[str, Json]) -> None:
    """Fill the template at data["url"]. Raises SchemaFailed."""
    schema = wanted(test)
    if schema is not None:
        schema.apply(data["url"])


def wanted(test: TestContext) -> Schema | None:
    """Return what the fixture `<server>_schema` wants the test's database to hold."""
    return schema_of(test.inputs["schema"], _project(test))


def _project(test: TestContext) -> Project:
    from wflo_testkit.services.postgres.schema.keys import keys_of

    return Project(
        root=test.root,
        keys=keys_of(test.run, test.records),
        connects_to=test.settings.get("schema_connects_to") or (),
        variables=lambda url: test.variables(_being_filled(test, url)),
    )


def _being_filled(test: TestContext, url: str) -> PostgresDatabase:
    address, server = parse(url), test.server
    return PostgresDatabase(
        name=address.database,
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        mode="",
        internal_host=server.internal_host,
        internal_port=server.internal_port if server.internal_ports else 0,
        parameters=address.parameters,
    )


@contextmanager
def database(lease: Lease, test: TestContext) -> Iterator[PostgresDatabase]:
    """Yield the handle of a database with the test's schema.

    Where the mode does not bring it with the database, it is applied here.
    """
    schema = None if lease.data["brings_schema"] else wanted(test)
    only_here = _APPLIED_HERE if schema is not None else ""
    handle = handle_of(lease, Reset(lease.call, test.warn, only_here=only_here))
    if schema is None:
        yield handle
        return
    schema.apply(handle.url)
    try:
        with handle.resets.taking_part(_nothing, lambda: schema.apply(handle.url)):
            yield handle
    finally:
        if lease.data["removes_schema"] and not test.has_failed:
            # An open transaction of the test would hold up the drop of its tables.
            leftovers = lease.call("end_sessions")
            schema.remove(handle.url)
            if leftovers:
                test.warn(*leftovers)


def refused(lease: Lease, failure: str) -> list[str]:
    """Return what to do where a test failed for want of an administrator's right, else nothing."""
    known = advice(failure, is_external=lease.server.is_external)
    return [known] if known else []


@contextmanager
def empty_database(lease: Lease, test: TestContext) -> Iterator[PostgresDatabase]:
    """Yield the handle of a database without any schema."""
    yield handle_of(lease, Reset(lease.call, test.warn))


def handle_of(lease: Lease, resets: Reset | None = None) -> PostgresDatabase:
    """Return the handle that a lease's data describe."""
    server, data = lease.server, lease.data
    return PostgresDatabase(
        name=data["database"],
        host=server.host,
        port=server.port,
        user=data["user"],
        password=data["password"],
        mode=data["mode"],
        gives_url=data["gives_url"],
        schema=data["schema"],
        template=data["template"],
        internal_host=server.internal_host,
        internal_port=server.internal_port if server.internal_ports else 0,
        sockets=data["sockets"],
        container=server.container_id,
        administrator="" if server.is_external else server.username,
        parameters=data["parameters"],
        call=lease.call,
        resets=resets or Reset(lease.call),
    )
