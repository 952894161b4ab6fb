"""A Kafka client that is closed while it makes a connection leaves no socket behind."""

from __future__ import annotations

import contextlib
import gc
import socket
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wflo_testkit.services.kafka import importing
from wflo_testkit.wait import wait_until

importing.load()


@pytest.fixture
def unanswering() -> Iterator[str]:
    """An address at which connections are begun and never come about: the queue is full."""
    with contextlib.ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))

        def is_full() -> bool:
            client = open_sockets.enter_context(socket.socket())
            client.settimeout(0.2)
            try:
                client.connect(server.getsockname())
            except TimeoutError:
                return True
            return False

        wait_until(is_full, timeout=10, describe="a full queue")
        yield f"127.0.0.1:{server.getsockname()[1]}"


def the_librarys_own(**configs: Any) -> Any:
    from kafka.net.compat import KafkaNetClient

    return KafkaNetClient(**configs)


@pytest.mark.parametrize(
    ("make", "left"), [(importing.quick_client, 0), (the_librarys_own, 1)], ids=["the kit's", "raw"]
)
def test_a_client_closed_while_it_connects_leaves_no_socket(
    unanswering: str, make: Callable[..., Any], left: int
) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        client = make(bootstrap_servers=unanswering)
        [broker] = client.cluster.bootstrap_brokers()
        client.maybe_connect(broker.node_id)
        client.poll(timeout_ms=50)
        client.close()
        del client
        gc.collect()

    assert len(seen) == left, [str(each.message) for each in seen]
