"""Whatever is done to a database, after `reset()` a full dump of it is that of the template."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from tests.services.postgres_programs.dump import differences, dump
from tests.services.postgres_programs.kinds import EVERY, KINDS
from tests.services.postgres_programs.runner import Program, Runner, execute, runner
from tests.services.test_postgres_recycling_programs import programs
from wflo_testkit.errors import TestkitError
from wflo_testkit.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=["owner", "superuser"])
def made(request: pytest.FixtureRequest) -> Iterator[Runner]:
    with runner(request.param) as running:
        yield running


def check(made: Runner, program: Program) -> None:
    with made._database() as handle:
        opened = execute(handle, program, made.server)
        # A server that has just crashed is waited for, as no run would get further.
        wait_until(
            lambda: handle.reset() is None,
            timeout=60,
            poll=0.02,
            catch=(TestkitError, psycopg.Error),
        )
        found = differences(made.template, dump(made.server, handle.name, handle.user))
        assert found == {}, f"{found} after {list(program)} and a reset"
        for connection in opened:
            with contextlib.suppress(psycopg.Error):
                connection.close()


@pytest.mark.parametrize("kind", EVERY)
def test_each_single_kind_is_undone(made: Runner, kind: str) -> None:
    for which in range(len(KINDS.get(kind, ("",)))):
        check(made, [(kind, which)])


def test_random_programs_are_undone(made: Runner) -> None:
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs)
    def every(program: Program) -> None:
        check(made, program)

    every()
