"""A schema is applied once per run, by one asker, whatever happens to that one."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from tests.services.postgres_server import Asker, asker, query, server, shared_isolation
from wflo_testkit.errors import SchemaFailed
from wflo_testkit.model import Build
from wflo_testkit.services.postgres import SERVICE, PostgresServer

__all__ = ["asker", "server", "shared_isolation"]

KIND = SERVICE.leases[0]


class Counting:
    """A schema callable with a fingerprint, so that every call makes a new one."""

    def __init__(self, fingerprint: str, sql: str = "CREATE TABLE t (id int)") -> None:
        self.fingerprint = fingerprint
        self.sql = sql
        self.calls = 0

    def __call__(self, url: str) -> None:
        self.calls += 1
        with psycopg.connect(url) as connection:
            connection.execute(self.sql.encode())


def test_a_schema_is_applied_once_for_many_tests(asker: Asker) -> None:
    schema = Counting("once")
    for _again in range(3):
        with asker.database(schema=schema) as handle:
            assert query(handle, "SELECT count(*) FROM t") == [(0,)]

    assert schema.calls == 1


def test_two_schemas_live_side_by_side(asker: Asker) -> None:
    one = Counting("one", "CREATE TABLE one ()")
    two = Counting("two", "CREATE TABLE two ()")
    for schema in (one, two, one, two):
        with asker.database(schema=schema) as handle:
            tables = query(handle, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            assert tables == [(schema.fingerprint,)]

    assert (one.calls, two.calls) == (1, 1)


def test_an_empty_database_has_no_schema(asker: Asker) -> None:
    asker.schema = Counting("full")
    for mode in ("database", "rollback", "schema", "create"):
        with asker.database(kind="empty_database", mode=mode) as handle:
            found = query(handle, "SELECT count(*) FROM pg_tables WHERE tablename = 't'")
            assert found == [(0,)]


def test_askers_at_the_same_time_apply_it_once(shared_isolation: Any, server: Any) -> None:
    schema = Counting("together")
    barrier = threading.Barrier(6)
    names: list[str] = []

    def ask() -> None:
        barrier.wait(10)
        with Asker(shared_isolation, server, schema).database() as handle:
            names.append(handle.name)
            barrier.wait(60)

    threads = [threading.Thread(target=ask) for _each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)

    assert schema.calls == 1
    assert len(set(names)) == 6


@pytest.mark.parametrize("half", [None, "CREATE TABLE t (half int)"])
def test_the_next_in_line_builds_when_the_builder_dies(
    asker: Asker, shared_isolation: Any, server: PostgresServer, half: str | None
) -> None:
    schema = Counting(f"dies {half}")
    asker.schema = schema
    build = shared_isolation.lease(asker.request(KIND))
    assert isinstance(build, Build)
    connection = psycopg.connect(build.data["url"], autocommit=True)
    if half:
        connection.execute(half.encode())
    found: list[Any] = []

    def wait_in_line() -> None:
        with Asker(shared_isolation, server, schema).database() as handle:
            found.extend(
                query(
                    handle,
                    "SELECT column_name FROM information_schema.columns WHERE table_name = 't'",
                )
            )

    waiting = threading.Thread(target=wait_in_line)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()

    shared_isolation.built(build.token, "the process that was making it died")
    waiting.join(20)

    assert found == [("id",)]
    connection.close()


def test_a_builder_that_forgot_a_connection_does_not_block_the_clones(asker: Asker) -> None:
    class Forgetful(Counting):
        def __call__(self, url: str) -> None:
            self.connection = psycopg.connect(url, autocommit=True)
            self.connection.execute(self.sql.encode())

    schema = Forgetful("forgetful")
    with asker.database(schema=schema) as handle:
        assert query(handle, "SELECT count(*) FROM t") == [(0,)]
    schema.connection.close()


def test_a_failing_schema_fails_each_test_with_its_own_cause(asker: Asker) -> None:
    schema = Counting("bad", "CREATE TABLE broken (id nonsense)")
    for _again in range(2):
        with (
            pytest.raises(SchemaFailed, match='type "nonsense" does not exist'),
            asker.database(schema=schema),
        ):
            pass

    schema.sql = "CREATE TABLE t (id int)"
    with asker.database() as handle:
        assert query(handle, "SELECT count(*) FROM t") == [(0,)]


def test_a_late_report_of_a_build_is_ignored(asker: Asker, shared_isolation: Any) -> None:
    with asker.database(schema=Counting("late")):
        pass
    from wflo_testkit.services.postgres.handle import params

    token = params(asker)["schema"]
    shared_isolation.built(token, "too late")

    with asker.database() as handle:
        assert query(handle, "SELECT count(*) FROM t") == [(0,)]


def test_settings_of_the_database_reach_the_clones(asker: Asker) -> None:
    def apply(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'ALTER DATABASE "{name}" SET search_path TO "A b", public')
            connection.execute(f"ALTER DATABASE \"{name}\" SET timezone TO 'Asia/Tokyo'")

    for _again in range(2):
        with asker.database(schema=apply) as handle:
            assert query(handle, "SHOW search_path") == [('"A b", public',)]
            assert query(handle, "SHOW timezone") == [("Asia/Tokyo",)]
