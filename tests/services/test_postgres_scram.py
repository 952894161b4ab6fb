"""How many SCRAM iterations a server asks for: as many as every driver accepts, of tests."""

from __future__ import annotations

import re
import socket
import struct
from typing import Any

import psycopg
import pytest

from tests.services.postgres_server import Asker, asker, query, server, shared_isolation, started
from tests.services.test_postgres_templates import Counting
from wflo_testkit.services.postgres import SERVICE, PostgresServer, accounts
from wflo_testkit.services.postgres.accounts import FOR_THE_KIT, verifier
from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.spec import MODES
from wflo_testkit.services.postgres.warm_image import FOLDER, recipe
from wflo_testkit.wait import wait_until

__all__ = ["asker", "server", "shared_isolation"]

SASL, SASL_CONTINUE = 10, 11
"""Kinds of authentication request (PostgreSQL manual, Message Formats)."""


def iterations(address: Any) -> int:
    """Begin to log in, and return what the server's first message of SCRAM says."""
    with socket.create_connection((address.host, address.port), timeout=10) as link:
        words = ["user", address.user, "database", getattr(address, "database", ""), ""]
        start = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in words)
        link.sendall(struct.pack("!i", len(start) + 4) + start)
        assert _answer(link)[0] == SASL
        first = b"n,,n=,r=fyko+d2lbbFgONRv9qkxdawL"
        body = b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first
        link.sendall(b"p" + struct.pack("!i", len(body) + 4) + body)
        kind, text = _answer(link)
    assert kind == SASL_CONTINUE, text
    [number] = re.findall(rb"i=(\d+)$", text)
    return int(number)


def _answer(link: socket.socket) -> tuple[int, bytes]:
    """Return kind and content of an authentication request; -1 for another message."""
    with link.makefile("rb") as stream:
        name, length = struct.unpack("!ci", stream.read(5))
        body = stream.read(length - 4)
    if name != b"R":
        return -1, body
    return struct.unpack("!i", body[:4])[0], body[4:]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "rollback"])
def test_drivers_that_insist_on_4096_iterations_get_them(asker: Asker, mode: str) -> None:
    with asker.database(mode=mode, schema=Counting("scram")) as handle:
        assert iterations(handle.address()) == 4096


@pytest.mark.slow
def test_they_get_them_where_the_schema_is_applied(asker: Asker) -> None:
    """By a migration in Go, say."""

    class Looking(Counting):
        def __call__(self, url: str) -> None:
            self.found = iterations(parse(url))

    schema = Looking("looking")
    with asker.database(schema=schema):
        assert schema.found == 4096


def test_they_get_them_in_a_database_that_is_given_out_again(asker: Asker) -> None:
    asker.schema = Counting("again")
    seen: dict[str, str] = {}
    for _test in range(9):  # of eight databases at most
        with asker.database() as handle:
            if handle.name in seen:
                break
            seen[handle.name] = handle.user
        wait_until(lambda: not _coming(asker), timeout=30)

    with asker.database() as handle:
        assert handle.user != seen.get(handle.name)
        assert iterations(handle.address()) == 4096


def _coming(asker: Asker) -> int:
    return sum(stock.coming for stock in asker.isolation._pool._of_template.values())


@pytest.mark.slow
def test_the_tests_of_a_superuser_suite_get_them() -> None:
    with started(role="superuser") as running:
        isolation = PostgresIsolation(running, "scram")
        with Asker(isolation, running).database() as handle:
            assert iterations(handle.address()) == 4096
        isolation.close()


@pytest.mark.parametrize(("role", "count"), [("owner", 1), ("superuser", 4096)])
def test_a_warm_image_asks_the_kit_for_one_and_tests_for_4096(role: str, count: int) -> None:
    spec = SERVICE.spec("postgres", {"role": role})
    made = recipe(spec, "secret")
    assert made is not None

    assert made.files[f"{FOLDER}/verifier"].startswith(f"SCRAM-SHA-256${count}:")


@pytest.mark.parametrize("count", [1, 4096])
def test_a_verifier_lets_in_who_has_its_password(server: PostgresServer, count: int) -> None:
    name = f"verified_{count}"
    query(server, f"CREATE ROLE {name} LOGIN PASSWORD '{verifier('right', count)}'")
    query(server, f"GRANT CONNECT ON DATABASE {server.database} TO {name}")
    keywords = {**server.address.keywords(), "user": name}
    psycopg.connect(**{**keywords, "password": "right"}).close()  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**keywords, "password": "wrong"})  # type: ignore[arg-type]


def test_with_one_iteration_they_would_be_refused(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutant: what the server says is what these tests look at."""
    monkeypatch.setattr(accounts, "FOR_TESTS", FOR_THE_KIT)
    with asker.database(schema=Counting("mutant")) as handle:
        assert iterations(handle.address()) == 1
