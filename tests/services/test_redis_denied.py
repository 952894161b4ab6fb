"""What would reach every test of a shared Redis is refused, or does no harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
import redis

from tests.services.asker import Asker
from wflo_testkit.services.redis import RedisDatabase, accounts
from wflo_testkit.services.redis.accounts import DIALECTS, Dialect, make_user, rules_of_database
from wflo_testkit.wait import wait_until

DENIED = redis.exceptions.NoPermissionError
CREDENTIALS = redis.exceptions.AuthenticationError

CLIENTS = [
    "CLIENT KILL TYPE normal SKIPME yes",
    "CLIENT KILL USER wflo-testkit",
    "CLIENT KILL ID 1",
    "CLIENT KILL 127.0.0.1:1",
    "CLIENT PAUSE 70000",
    "CLIENT PAUSE 70000 WRITE",
    "CLIENT UNBLOCK 1",
    "CLIENT UNBLOCK 1 ERROR",
]
USERS = [
    "ACL SETUSER default off",
    "ACL SETUSER wflo-testkit off",
    "ACL SETUSER bob on nopass",
    "ACL DELUSER wflo-testkit",
    "ACL GETUSER wflo-testkit",
    "ACL LIST",
    "ACL USERS",
    "ACL LOG",
    "ACL LOG RESET",
    "ACL LOAD",
    "ACL SAVE",
]
SERVERS = ["FLUSHALL", "SHUTDOWN NOSAVE", "FAILOVER", "REPLICAOF 127.0.0.1 1", "SWAPDB 1 2"]
HARMLESS = [
    *("CLIENT LIST", "CLIENT INFO", "CLIENT ID", "CLIENT GETNAME", "CLIENT NO-EVICT on"),
    *("CLIENT SETNAME mine", "CLIENT TRACKINGINFO", "CLIENT UNPAUSE"),
    *("ACL WHOAMI", "ACL GENPASS", "ACL CAT"),
    *("CONFIG GET maxmemory", "CONFIG SET notify-keyspace-events KEA", "SCRIPT FLUSH", "FLUSHDB"),
]


def client(handle: RedisDatabase) -> redis.Redis:
    return redis.Redis.from_url(handle.url)


@contextmanager
def at_work(handle: RedisDatabase) -> Iterator[None]:
    """Another test at the same time, which waits in a pop and must be served."""
    got: list[object] = []
    with redis.Redis.from_url(handle.url, socket_timeout=30) as one:
        thread = threading.Thread(target=lambda: got.append(one.blpop(["jobs"], timeout=20)))
        thread.start()
        with client(handle) as other:
            wait_until(lambda: b"cmd=blpop" in _clients(other), timeout=10)
            try:
                yield
            finally:
                other.rpush("jobs", "done")
                thread.join()
    assert got == [(b"jobs", b"done")]


def _clients(one: redis.Redis) -> bytes:
    return b"".join(f"cmd={each['cmd']}\n".encode() for each in one.client_list())


@pytest.mark.parametrize("command", [*CLIENTS, *USERS, *SERVERS])
def test_what_reaches_other_tests_is_refused(redis_asker: Asker, command: str) -> None:
    with redis_asker.lease() as handle, client(handle) as one:
        with pytest.raises(DENIED):
            one.execute_command(*command.split())
        with one.pipeline() as transaction:
            transaction.execute_command(*command.split())
            with pytest.raises(redis.ResponseError, match=r"no permissions|not allowed"):
                transaction.execute()

        assert one.set("key", "goes on")
    assert redis_asker.warnings == []


def test_a_script_and_a_function_may_no_more_than_their_test(redis_asker: Asker) -> None:
    kill = "return redis.call('CLIENT', 'KILL', 'TYPE', 'normal')"
    function = f"#!lua name=k\nredis.register_function('k', function() {kill} end)"
    with (
        redis_asker.lease() as handle,
        redis_asker.lease() as other,
        at_work(other),
        client(handle) as one,
    ):
        with pytest.raises(redis.ResponseError):
            one.eval(kill, 0)
        one.function_load(function, replace=True)
        with pytest.raises(redis.ResponseError):
            one.fcall("k", 0)
        one.function_delete("k")


@pytest.mark.parametrize("command", HARMLESS)
def test_what_reaches_nobody_is_allowed(redis_asker: Asker, command: str) -> None:
    with redis_asker.lease() as handle, client(handle) as one:
        assert one.execute_command(*command.split()) is not False
        if command.startswith("CONFIG SET"):
            one.config_set("notify-keyspace-events", "")


def test_a_user_may_be_tried_out(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle, client(handle) as one:
        assert one.acl_dryrun(handle.username, "GET", "key") == b"OK"
        assert b"no permissions" in one.acl_dryrun(handle.username, "CLIENT", "KILL", "ID", "1")


def test_a_password_for_everybody_keeps_nobody_out_and_lets_nobody_in(redis_asker: Asker) -> None:
    """Redis' rules cannot tell requirepass from another parameter of CONFIG SET."""
    with redis_asker.lease() as handle, redis_asker.lease() as other, at_work(other):
        server = redis_asker.server
        for password in ("s3cret", ""):
            with client(handle) as one:
                one.config_set("requirepass", password)
            with pytest.raises(CREDENTIALS), _as_default(server, password) as nobody:
                nobody.ping()
            with redis_asker.lease() as third, client(third) as one:
                assert one.set("key", 1)
    assert redis_asker.warnings == []


def _as_default(server: object, password: str) -> redis.Redis:
    where = {"host": server.host, "port": server.port}  # type: ignore[attr-defined]
    return redis.Redis(**where, password=password or None, retry=None)


def test_whoever_names_no_account_is_not_let_in(redis_asker: Asker) -> None:
    with pytest.raises(CREDENTIALS), _as_default(redis_asker.server, "") as nobody:
        nobody.ping()


def test_after_a_reset_of_the_connection_nobody_is_logged_in(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle, client(handle) as one:
        link = one.connection_pool.make_connection()
        link.send_command("RESET")
        assert link.read_response() == b"RESET"
        link.send_command("GET", "key")
        with pytest.raises(CREDENTIALS, match="Authentication required"):
            link.read_response()
        link.disconnect()


@pytest.mark.parametrize("clause", ["clients", "accounts"])
def test_without_these_rules_a_test_would_reach_all_others(redis_asker: Asker, clause: str) -> None:
    """The checks above must be able to fail: one clause switched off, each is let through."""
    off = {
        "clients": mock.patch.object(accounts, "_ACCOUNTS", accounts._ACCOUNTS),
        "accounts": mock.patch.object(accounts, "_ACCOUNTS", ()),
    }[clause]
    dialect = Dialect(()) if clause == "clients" else DIALECTS[1]
    command = {"clients": "CLIENT KILL TYPE pubsub", "accounts": "ACL SETUSER mutant off"}[clause]
    server = redis_asker.server
    with redis.Redis.from_url(server.url) as admin, off:  # type: ignore[attr-defined]
        admin.execute_command(*make_user("mutant", "pw", rules_of_database(1, dialect)))
        with redis.Redis(server.host, server.port, username="mutant", password="pw", db=1) as one:
            one.execute_command(*command.split())
        admin.acl_deluser("mutant")


@pytest.mark.parametrize("version", ["Redis 6, by a fake server", "Redis 7", "Valkey 9.1"])
def test_the_strictest_rules_that_a_server_understands_are_used(version: str) -> None:
    from wflo_testkit.services.redis.databases import Databases

    understood = {"Redis 6, by a fake server": 2, "Redis 7": 1, "Valkey 9.1": 0}[version]
    error = redis.ResponseError("Error in ACL SETUSER modifier")
    admin = mock.Mock()
    admin.tried.return_value = [error] * understood + [b"OK"] * (4 - understood)
    server = mock.Mock(options={}, is_shared=False)
    fake = Databases(server, admin, mock.Mock(run="1"))

    assert fake._dialect is DIALECTS[understood]
    assert fake._dialect is fake._dialect
    assert admin.tried.call_count == 1
