"""What the settings make of Redis: its command, its addresses, its probe."""

from __future__ import annotations

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.services.answering import answering
from tests.services.asker import Asker
from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN
from wflo_testkit.probing import NotReady
from wflo_testkit.services.redis import SERVICE, RedisServer
from wflo_testkit.services.redis.address import Address, parse
from wflo_testkit.services.redis.probe import probe


@given(
    username=st.text(max_size=8),
    password=st.text(max_size=8),
    db=st.integers(0, 99),
    port=st.integers(1, 65535),
)
def test_a_url_says_what_it_was_made_of(username: str, password: str, db: int, port: int) -> None:
    address = Address(host="cache.test", port=port, db=db, username=username, password=password)

    assert parse(address.url) == address


@given(username=st.text(min_size=1, max_size=8), password=st.text(min_size=1, max_size=8))
def test_redis_py_reads_the_url_as_it_was_meant(username: str, password: str) -> None:
    from redis.connection import parse_url

    read = parse_url(Address(host="::1", db=3, username=username, password=password).url)

    assert (read["username"], read["password"], read["db"]) == (username, password, 3)
    assert read["host"] == "::1"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://h", "scheme is 'http'"),
        ("redis://", "names no host"),
        ("redis://h/one", "not the number of a database"),
        ("redis://h:no", "its host or port cannot be read"),
        ("redis://u:secret/word@h", "its host or port cannot be read"),
        ("redis://u:1/secret@h", "not the number of a database"),
        ("unix:///tmp/redis.sock", "scheme is 'unix'"),
    ],
)
def test_a_url_that_cannot_be_used_says_why_without_its_password(url: str, cause: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse(url.replace("://h", "://u:secret@h"))

    assert cause in caught.value.text
    assert "secret" not in caught.value.text


def test_parameters_of_a_client_stay_in_the_url() -> None:
    server = SERVICE.external(
        SERVICE.spec("redis", {"url": "rediss://u:p@h:6380/2?ssl_cert_reqs=none"})
    )

    assert isinstance(server, RedisServer)
    assert server.url == "rediss://u:p@h:6380/2?ssl_cert_reqs=none"
    assert server.internal_url == server.url
    assert server.env()["REDIS_DB"] == "2"


def test_the_server_keeps_nothing_on_disk_and_takes_further_arguments() -> None:
    spec = SERVICE.spec("redis", {"databases": 32, "arguments": ["--maxmemory", "64mb"]})

    assert spec.command == (
        *("redis-server", "--save", "", "--appendonly", "no", "--databases", "32"),
        *("--unixsocket", "/var/tmp/redis.sock", "--unixsocketperm", "777"),
        *("--user", "wflo-testkit", "on", "#{password_sha256}", "~*", "&*", "+@all"),
        *("--user", "default", "off", "--protected-mode", "no", "--maxmemory", "64mb"),
    )


def test_fewer_than_two_databases_are_refused() -> None:
    with pytest.raises(SettingError, match="redis_databases = 1 leaves none"):
        SERVICE.spec("redis", {"databases": 1})


def redis_at(port: int) -> RedisServer:
    return RedisServer(
        service="redis", name="redis", host="127.0.0.1", ports={MAIN: port}, password="p"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed before an answer"),
        (b"+OK\r\n", "closed before an answer"),
        (b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"-WRONGPASS invalid\r\n-NOAUTH\r\n", "WRONGPASS"),
    ],
)
def test_a_fake_server_that_is_not_ready_is_told_from_one_that_is(
    answer: bytes, words: str
) -> None:
    with answering(answer) as port, pytest.raises(NotReady, match=words):
        probe(redis_at(port))
    with answering(b"+OK\r\n+PONG\r\n") as port:
        probe(redis_at(port))


def test_the_administrator_has_a_name_of_its_own_and_the_url_says_so(redis_asker: Asker) -> None:
    server = redis_asker.server
    assert isinstance(server, RedisServer)

    assert server.username == server.env()["REDIS_USERNAME"] == "wflo-testkit"
    assert server.url.startswith(f"redis://wflo-testkit:{server.password}@127.0.0.1:")
    assert server.internal_url.startswith(f"redis://wflo-testkit:{server.password}@redis:")
    with redis.Redis.from_url(server.url) as one:
        assert one.acl_whoami() in (b"wflo-testkit", "wflo-testkit")
