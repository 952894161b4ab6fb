"""Runs that use one kept server at once stay apart, and clear up after themselves and the dead."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.test_every_service import CASES
from tests.reuse.conftest import Begin
from tests.reuse.members import Member, member
from tests.reuse.parts import said
from tests.reuse.traces import traces
from tests.services.asker import row
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.services.kafka import importing
from wflo_testkit.services.redis import claims
from wflo_testkit.wait import WaitTimeout, wait_until

importing.load()  # see tests/services/conftest.py

SLOW = ("kafka", "temporal")

Join = Callable[[str, str], Member]


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in CASES]
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def join(begin: Begin) -> Join:
    """join(service, run): a run of that id asks for leases on the one kept server."""

    def join(service: str, run: str) -> Member:
        return member(begin(row(service), run=run), service)

    return join


HOLDS = """
import sys
from tests.contract.test_every_service import CASES
from tests.reuse.members import begin

service, run = sys.argv[1:]
with begin(run, service).lease() as handle:
    CASES[service].use(handle)
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def killed(home: UserFolder, root: Path) -> Iterator[Callable[[str, str], None]]:
    """killed(service, run): a run of that id held a lease and was killed."""

    def killed(service: str, run: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, service, run],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        assert said(process) == "holds"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    return killed


def test_two_runs_at_once_do_not_see_each_other(join: Join, name: str) -> None:
    first, second = join(name, "aaaa1111"), join(name, "bbbb2222")
    assert first.server.container_id == second.server.container_id

    for _ in range(2):
        with first.lease() as one, second.lease() as other:
            CASES[name].use(one)
            CASES[name].use(other)


@pytest.mark.timeout(240)
def test_a_run_that_ends_drops_what_it_made_and_nothing_else(join: Join, name: str) -> None:
    """Deleting Temporal's namespaces takes too long to wait for: the next runs go on with it."""
    first, second = join(name, "aaaa1111"), join(name, "bbbb2222")
    with second.lease() as held:
        with first.lease() as handle:
            CASES[name].use(handle)
        assert traces(second.server, "aaaa1111")
        first.end()

        if name == "temporal":
            clear_up(join, second, "aaaa1111")
        assert not traces(second.server, "aaaa1111")
        assert traces(second.server, "bbbb2222")
        CASES[name].use(held)


@pytest.mark.timeout(240)
def test_what_a_failed_test_kept_stays_until_another_run_comes_by(join: Join, name: str) -> None:
    first = join(name, "aaaa1111")
    with first.lease(keep=True) as handle:
        CASES[name].use(handle)
        server = first.server
    first.end()
    assert traces(server, "aaaa1111")  # before the next run, which begins to clear as it joins

    second = join(name, "bbbb2222")
    with second.lease():
        clear_up(join, second, "aaaa1111")


@pytest.mark.timeout(240)
def test_what_a_killed_run_left_is_dropped_by_the_next_and_a_living_ones_is_not(
    join: Join, killed: Callable[[str, str], None], name: str
) -> None:
    bystander = join(name, "bbbb2222")
    with bystander.lease() as held:
        killed(name, "dead0000")
        assert traces(bystander.server, "dead0000")
        heir = join(name, "cccc3333")
        with heir.lease() as handle:
            clear_up(join, heir, "dead0000")
            CASES[name].use(handle)

        assert traces(bystander.server, "bbbb2222")
        CASES[name].use(held)


def clear_up(join: Join, witness: Member, run: str) -> None:
    """Wait until nothing of `run` is left; for Temporal let one run after the other join.

    On a busy machine it does not answer one of them in time, which then does no more.
    """
    if witness.server.service != "temporal":
        return gone(witness, run)
    for number in range(8):
        next_run = join("temporal", f"cccc{number:04}")
        with contextlib.suppress(WaitTimeout), next_run.lease():
            return gone(witness, run, timeout=25)
    raise AssertionError(f"eight runs have not cleared up after {run}")


def gone(witness: Member, run: str, timeout: float = 60) -> None:
    """Wait until nothing of `run` is on the server any more."""
    wait_until(
        lambda: not traces(witness.server, run),
        timeout=timeout,  # Temporal takes seconds for each of its namespaces, more if it is busy
        poll=0.2,
        describe=f"{run} has nothing on {witness.server.name}",
        catch=(),
    )


def test_redis_numbers_are_given_to_one_run_each_and_come_back(join: Join) -> None:
    first, second = join("redis", "aaaa1111"), join("redis", "bbbb2222")
    with first.lease() as a, second.lease() as b, first.lease() as c, second.lease() as d:
        numbers = [handle.db for handle in (a, b, c, d)]
        assert sorted(numbers) == [1, 2, 3, 4]  # of six: 0 and 5 are the server's own
        with pytest.raises(Exception, match="other runs use it, too"), first.lease():
            pass
    first.end()

    with second.lease(), second.lease(), second.lease(), second.lease():
        pass


def test_no_redis_user_of_a_test_can_reach_the_claims(join: Join) -> None:
    import redis

    with join("redis", "aaaa1111").lease() as handle:
        server = handle.url.rpartition("/")[0]
        for number in (0, handle.db):
            with redis.Redis.from_url(f"{server}/{number}") as client:
                assert client.keys("wflo:claim:*") == []
        with redis.Redis.from_url(f"{server}/5") as client, pytest.raises(redis.RedisError):
            client.ping()


def test_mutant_without_claims_two_runs_get_the_same_redis_database(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_TAKE", "return {1, 2, 3}")
    first, second = join("redis", "aaaa1111"), join("redis", "bbbb2222")

    with first.lease() as one, second.lease() as other:
        CASES["redis"].use(one)
        with pytest.raises(AssertionError):
            CASES["redis"].use(other)


def test_mutant_that_takes_a_living_run_for_dead_hurts_it(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wflo_testkit.runtime.reuse.uses import Uses

    bystander = join("redis", "bbbb2222")
    with bystander.lease():
        monkeypatch.setattr(Uses, "over", lambda *_args: ["bbbb2222"])
        with join("redis", "cccc3333").lease():
            gone(bystander, "bbbb2222")
