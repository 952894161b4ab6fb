"""What an error tells to do fits what has happened on the server."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from unittest import mock

import psycopg
import pytest
import redis

from tests.services.asker import Asker, asker
from tests.services.test_redis_scripts import ENDLESS
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.runtime.running import State
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.remedies import remedy as postgres_remedy
from wflo_testkit.services.postgres.schema.failure import advice
from wflo_testkit.services.redis import RedisServer, admin
from wflo_testkit.services.redis.remedies import remedy as redis_remedy
from wflo_testkit.services.temporal.pool import GRANT
from wflo_testkit.services.temporal.remedies import remedy as temporal_remedy

BUSY = redis.ResponseError("BUSY x")


def own_server(core: Broker, service: str, **given: object) -> Asker:
    """Return who asks for parts of a server that no other test uses."""
    base = asker(core, service, **given)
    spec = dataclasses.replace(base.service.spec(service, base.settings), unique="hint")
    return dataclasses.replace(base, server=base.broker.server(spec))


@pytest.fixture
def own_redis(service_core: Broker) -> Iterator[Asker]:
    own = own_server(service_core, "redis", arguments=["--busy-reply-threshold", "100"])
    # As where others use it: errors of a server of one test are passed over.
    yield dataclasses.replace(own, server=dataclasses.replace(own.server, is_for_one_test=False))
    own.broker.discard(own.server.key)


def isolated(own: Asker) -> admin.Admin:
    server = own.server
    assert isinstance(server, RedisServer)
    return admin.Admin(server, list)


def test_a_changed_password_of_the_kits_redis_account_is_told_as_that(own_redis: Asker) -> None:
    kits = isolated(own_redis)
    kits.run(("PING",))
    with redis.Redis.from_url(own_redis.server.url) as one:
        one.execute_command("ACL", "SETUSER", "wflo-testkit", "resetpass", ">another")
    kits._connection.disconnect()
    with pytest.raises(IsolationFailed) as caught:
        kits.run(("PING",))
    kits.close()

    assert "leave the account 'wflo-testkit' as it is" in caught.value.text
    assert "script" not in caught.value.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("redis.call('SET', 'a', 1) " + ENDLESS, "it has written"),
        (ENDLESS, "it was told to end"),
    ],
    ids=["written", "not written"],
)
def test_that_a_script_has_written_is_said_of_one_that_has(
    own_redis: Asker, script: str, why: str
) -> None:
    kits = isolated(own_redis)
    one = redis.Redis.from_url(own_redis.server.url, socket_timeout=0.5, retry=None)
    with one, pytest.raises(redis.RedisError):
        one.eval(script, 0)
    # One that has not written ends when it is told to; so here it is not told.
    told = kits._exchange if why == "it has written" else lambda _commands: [BUSY]
    with (
        mock.patch.object(kits, "_exchange", told),
        mock.patch.object(admin, "SCRIPT_TIMEOUT", 0.3),
        pytest.raises(IsolationFailed) as caught,
    ):
        kits.run(("PING",))
    kits.close()

    assert why in caught.value.text


@pytest.mark.slow
def test_a_stopped_redis_is_told_as_that(own_redis: Asker) -> None:
    kits = isolated(own_redis)
    subprocess.run(["docker", "kill", own_redis.server.container_id], check=True, timeout=30)
    with pytest.raises(IsolationFailed, match="look whether it still runs"):
        kits.run(("PING",))
    kits.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (redis.exceptions.OutOfMemoryError("OOM command not allowed"), "--maxmemory"),
        (redis.ConnectionError("max number of clients reached"), "close connections"),
        (redis.TimeoutError("Timeout reading"), "CLIENT PAUSE"),
        (redis.ResponseError("ERR syntax error"), "see the server's log"),
    ],
)
def test_redis_own_words_are_told_apart(error: Exception, told: str) -> None:
    server = RedisServer(service="redis", name="redis", host="h", ports={"main": 1})

    assert told in redis_remedy(error, server)
    refused = redis.AuthenticationError("WRONGPASS")
    assert "redis_url" in redis_remedy(refused, dataclasses.replace(server, is_external=True))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('FATAL:  password authentication failed for user "postgres"', "leave the role 'pg'"),
        ('FATAL:  role "postgres" does not exist', "leave the role 'pg' as it is"),
        ('role "wflo_1_2" does not exist', "dropped or renamed that role"),
        ("FATAL:  sorry, too many clients already", "postgres_max_connections"),
        ("could not extend file: No space left on device", "its disk is full"),
        ("connection to server at 127.0.0.1 failed: Connection refused", "still runs"),
        ("FATAL:  the database system is in recovery mode", "it has crashed"),
        ('source database "x" is being accessed by other users', "close the connections"),
        ("cannot drop the currently open database", "it has the statement"),
    ],
)
def test_postgres_own_words_are_told_apart(text: str, told: str) -> None:
    server = PostgresServer(
        service="postgres", name="pg", host="h", ports={"main": 1}, username="pg"
    )

    assert told in postgres_remedy(psycopg.OperationalError(text), server)
    if "authentication" in text:
        external = dataclasses.replace(server, is_external=True)
        assert "postgres_url" in postgres_remedy(psycopg.OperationalError(text), external)


@pytest.mark.slow
def test_a_renamed_administrator_of_postgres_is_told_as_that(service_core: Broker) -> None:
    own = own_server(service_core, "postgres")
    server = own.server
    assert isinstance(server, PostgresServer)
    with psycopg.connect(server.url, autocommit=True) as one:
        one.execute("CREATE ROLE other SUPERUSER LOGIN PASSWORD 'x'")
        one.execute("ALTER ROLE postgres PASSWORD 'another'")
    tcp_alone = dataclasses.replace(server, sockets="")
    from wflo_testkit.services.postgres.admin import Admin

    with pytest.raises(IsolationFailed, match="leave the role 'postgres' as it is"):
        Admin(tcp_alone).rows("SELECT 1")
    own.broker.discard(server.key)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("PERMISSION_DENIED", "grant the kit RegisterNamespace"),
        ("RESOURCE_EXHAUSTED", "raise the server's limit for such calls; else grant"),
        ("UNAVAILABLE", "still runs"),
        ("DEADLINE_EXCEEDED", "keeps the server from answering"),
        ("INTERNAL", "see the server's log"),
    ],
)
def test_temporals_statuses_are_told_apart(status: str, told: str) -> None:
    from temporalio.service import RPCError, RPCStatusCode

    assert told in temporal_remedy(RPCError("x", RPCStatusCode[status], b""), GRANT)
    assert "keeps the server from answering" in temporal_remedy(None, GRANT)


def test_where_a_server_is_known_only_what_holds_there_is_advised() -> None:
    role, extension = "permission denied to create role", "permission denied to create extension"
    named = f'{extension} "vector"'

    assert "superuser" in advice(role, is_external=False)
    assert "external" not in advice(role, is_external=False)
    assert "superuser" not in advice(role, is_external=True)
    assert "on an external one" in advice(role)
    assert "postgres_extensions" in advice(named, is_external=False)
    assert "postgres_extensions" not in advice(named, is_external=True)


@pytest.mark.parametrize(
    ("state", "end"),
    [
        (State("running"), ""),
        (State("paused"), ""),
        (State("exited", 137, out_of_memory=True), "exited with code 137 (out of memory)"),
        (State("exited", 1), "exited with code 1"),
        (State("gone"), "its container is gone"),
    ],
)
def test_how_a_container_has_ended_is_said(state: State, end: str) -> None:
    assert state.end == end
