"""What crosses the socket arrives as what it was; what cannot cross is said."""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from tests.broker import desks
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.wire import KINDS, Stream, packed, unpacked
from wflo_testkit.model import Build, Grant, Server
from wflo_testkit.settings.values import Duration


class Color(enum.StrEnum):
    RED = "red"


class OwnServer(Server):
    """As each service has one."""


@pytest.fixture
def ends() -> Iterator[tuple[Stream, Stream]]:
    one, other = socket.socketpair()
    with one, other:
        yield Stream(one), Stream(other)


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ({"a": [1, 2.5, None, True, "ä"]}, {"a": [1, 2.5, None, True, "ä"]}),
        (b"bytes", b"bytes"),
        ({"of": MappingProxyType({"a": 1})}, {"of": {"a": 1}}),
        (Duration(90), 90.0),
        (Color.RED, "red"),
        ("x" * 1_000_000, "x" * 1_000_000),
    ],
    ids=["plain", "bytes", "mapping", "a float of its own", "enum", "long"],
)
def test_plain_data_and_what_is_derived_from_it(
    ends: tuple[Stream, Stream], sent: Any, received: Any
) -> None:
    import threading

    thread = threading.Thread(target=ends[0].send, args=(sent,))
    thread.start()
    found = ends[1].receive()
    thread.join()

    assert found == received
    assert type(found) is type(received)


def test_frames_that_come_together_are_told_apart(ends: tuple[Stream, Stream]) -> None:
    for number in range(3):
        ends[0].send(number)

    assert [ends[1].receive() for _ in range(3)] == [0, 1, 2]


def test_the_other_sides_end_is_no_frame(ends: tuple[Stream, Stream]) -> None:
    ends[0].link.sendall(b"\0\0\0\7half")
    ends[0].close()

    assert ends[1].receive() is None


def test_what_is_no_frame_is_refused_before_it_is_read(ends: tuple[Stream, Stream]) -> None:
    ends[0].link.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ValueError, match="begins no frame"):
        ends[1].receive()


def test_what_is_no_plain_data_is_refused(ends: tuple[Stream, Stream]) -> None:
    with pytest.raises(TypeError, match="object is no plain data"):
        ends[0].send({"a": object()})


SERVER = desks.server(desks.spec())


@pytest.mark.parametrize(
    "given",
    [
        desks.spec(),
        SERVER,
        Grant(id="1", data={"desk": 0}),
        Build(token="t", data={}),
        Ask(key="k", kind="desk", mode="", params={}, number=7),
        "text",
        None,
    ],
    ids=lambda given: type(given).__name__,
)
def test_each_kind_arrives_as_itself(given: Any) -> None:
    assert unpacked(packed(given)) == given


def test_a_services_own_server_arrives_as_a_server() -> None:
    assert unpacked(packed(OwnServer(**SERVER.to_json()))) == SERVER


def test_a_class_that_was_imported_twice_is_known_by_its_name() -> None:
    twin = type("Grant", (), {})()
    twin.id, twin.data = "1", {"desk": 0}

    assert unpacked(packed(twin)) == Grant(id="1", data={"desk": 0})
    assert set(KINDS) == {"Ask", "Build", "Grant", "Server", "Spec"}
