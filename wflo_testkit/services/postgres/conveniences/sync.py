"""`engine` and `session`: SQLAlchemy on psycopg."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wflo_testkit.service import TestContext
from wflo_testkit.services.postgres.conveniences.checkouts import Checkouts
from wflo_testkit.services.postgres.conveniences.dialects import share
from wflo_testkit.services.postgres.conveniences.rollback import session_class
from wflo_testkit.services.postgres.handle import PostgresDatabase, no_connections_of_your_own

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session


def engine(handle: PostgresDatabase, test: TestContext) -> Iterator[Engine]:
    """Yield an engine that connects when first used. Raises IsolationFailed without a URL."""
    if not handle.gives_url:
        raise no_connections_of_your_own("postgres_engine", handle.mode)
    with _engine(handle, test, "postgres_engine") as made:
        yield made


def session(handle: PostgresDatabase, test: TestContext) -> Iterator[Session]:
    """Yield a session; what it has not committed is rolled back at the end."""
    from sqlalchemy.orm import Session

    with _engine(handle, test, "postgres_session") as made:
        if not handle.gives_url:
            rollback = session_class()(engine=lambda: made)  # type: ignore[call-arg]
            end: Callable[[], None] = rollback.end  # type: ignore[attr-defined]
            try:
                with handle.resets.taking_part(end):
                    yield rollback
            finally:
                end()
        else:
            with Session(made) as plain, handle.resets.taking_part(plain.invalidate):
                yield plain


@contextmanager
def _engine(handle: PostgresDatabase, test: TestContext, fixture: str) -> Iterator[Engine]:
    import sqlalchemy

    opened = Checkouts(test, fixture)
    made = sqlalchemy.create_engine(
        handle.address().sqlalchemy_url("psycopg"), connect_args=_quickest(handle)
    )
    opened.watch(made)
    share(made, handle)

    def close() -> None:
        made.dispose()
        opened.close_left()

    try:
        with handle.resets.taking_part(close):
            yield made
    finally:
        close()


def _quickest(handle: PostgresDatabase) -> dict[str, str]:
    """Return libpq's parameters for the kit's own server; it tries one host after the other."""
    hosts, ports = zip(*handle.ways, strict=True)
    chosen = {"host": ",".join(hosts), "port": ",".join(map(str, ports))} if handle.sockets else {}
    if handle.speaks_tls is False:
        chosen |= {"sslmode": "disable", "gssencmode": "disable"}
    return chosen
