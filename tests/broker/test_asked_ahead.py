"""A lease that is asked for along with a release is had by the next question under its number."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.broker.conftest import Listening
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Build, Grant
from wflo_testkit.wait import wait_until

Connect = Callable[[str], BrokerClient]


def ask_ahead(client: BrokerClient, ask: Ask, ahead: Ask) -> list[str]:
    """Lease and release, asking for another; return what was left behind."""
    grant = client.lease(ask)
    assert isinstance(grant, Grant)
    return client.release(grant.id, False, ahead)


def has_come(events: list[str], last: str) -> None:
    wait_until(lambda: events[-1] == last, timeout=20, describe=f"{events} end with {last!r}")


def test_it_comes_after_the_release_and_once(connect: Connect, ask: Ask, events: list[str]) -> None:
    client, ahead = connect("gw0"), replace(ask, number=2)

    assert ask_ahead(client, replace(ask, number=1), ahead) == ["a cup was left on desk 0"]
    has_come(events, "gw0 gets 0")
    assert isinstance(client.lease(ahead), Grant)
    assert events == ["gw0 gets 0", "0 back", "gw0 gets 0"]


def test_what_there_is_to_build_is_built_by_whoever_reads_of_it(
    connect: Connect, ask: Ask, events: list[str]
) -> None:
    client, ahead = connect("gw0"), replace(ask, params={"room": True}, number=2)
    ask_ahead(client, replace(ask, number=1), ahead)
    has_come(events, "gw0 builds")
    build = client.lease(ahead)
    assert isinstance(build, Build)
    client.built(build.token, None)

    assert isinstance(client.lease(ahead), Grant)


def test_its_error_is_raised_where_it_is_read(connect: Connect, ask: Ask) -> None:
    client, ahead = connect("gw0"), replace(ask, number=2)
    client.withdraw(2)
    ask_ahead(client, replace(ask, number=1), ahead)

    with pytest.raises(IsolationFailed, match="nobody waits"):
        client.lease(ahead)


def test_one_that_nobody_reads_is_taken_back(connect: Connect, ask: Ask, events: list[str]) -> None:
    client, ahead = connect("gw0"), replace(ask, number=2)
    ask_ahead(client, replace(ask, number=1), ahead)
    client.withdraw(2)

    grant = client.lease(replace(ask, number=3))
    assert isinstance(grant, Grant)
    assert grant.data == {"desk": 0}, "nobody holds it"


@pytest.mark.parametrize("has_come_already", [True, False])
def test_one_whose_process_is_done_is_taken_back(
    connect: Connect, ask: Ask, events: list[str], has_come_already: bool
) -> None:
    client = connect("gw0")
    ask_ahead(client, replace(ask, number=1), replace(ask, number=2))
    if has_come_already:
        has_come(events, "gw0 gets 0")
    client.close()

    has_come(events, "0 back")


def test_a_forked_child_asks_for_itself(
    connect: Connect, listener: Listening, ask: Ask, events: list[str]
) -> None:
    client, ahead = connect("gw0"), replace(ask, number=2)
    ask_ahead(client, replace(ask, number=1), ahead)
    has_come(events, "gw0 gets 0")
    if (child := os.fork()) == 0:
        grant = client.lease(ahead)
        os._exit(0 if isinstance(grant, Grant) and grant.data == {"desk": 1} else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    wait_until(lambda: events[-1] == "1 back", timeout=20, describe="the child's desk is back")
    grant = client.lease(ahead)
    assert isinstance(grant, Grant)
    assert grant.data == {"desk": 0}
