"""Whatever random programs do to a database, the next test does not notice.

A program is a handful of steps, each of one of the kinds in postgres_programs/kinds.py; the oracle
is a full dump that knows nothing of the kit (postgres_programs/dump.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.services.postgres_programs.kinds import EVERY, KINDS
from tests.services.postgres_programs.runner import Program, Runner, runner
from tests.services.postgres_server import RECYCLING

FEW, MANY, SOAK = 12, 300, 10_000
SHARE = 0.05

steps = st.tuples(st.sampled_from(EVERY), st.integers(0, 5))
# Small ones are the sharpest: in a large one some DDL has the database replaced in any case.
programs = st.lists(steps, min_size=1, max_size=8, unique_by=lambda step: step[0])


@pytest.fixture(scope="module", params=RECYCLING)
def owners(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """The default: a role that owns its database and may do nothing beyond."""
    with runner(version=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def superusers() -> Iterator[Runner]:
    with runner("superuser") as made:
        yield made


def run_many(made: Runner, number: int, *, seeded: bool) -> None:
    """Run `number` programs and check that each kind was part of 5 % of them."""
    before = made.programs

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=seeded,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(programs)
    def every(program: Program) -> None:
        made.run(program)

    made.seen.clear()
    every()
    ran = made.programs - before
    print(f"{ran} programs, {made.recycled} recycled and compared, {made.figures()}")
    print(f"kinds {dict(made.seen.most_common())}")
    assert ran >= number * 0.95
    if ran >= MANY * 0.95:
        rare = {kind: made.seen[kind] for kind in EVERY if made.seen[kind] < SHARE * ran}
        assert rare == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", EVERY)
def test_each_single_kind_goes_unnoticed(owners: Runner, kind: str) -> None:
    for which in range(len(KINDS.get(kind, ("",)))):
        owners.run([(kind, which)])


def test_what_a_program_has_used_is_what_the_next_one_gets(owners: Runner) -> None:
    """Else only fresh clones would be compared."""
    for sql in ("INSERT INTO empty (note) VALUES ('x')", "DELETE FROM orders WHERE id < 5"):
        before = owners.recycled
        owners.run_sql(sql)
        assert owners.recycled == before + 1


@pytest.mark.lengthy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_programs_go_unnoticed(owners: Runner, count: int) -> None:
    run_many(owners, count, seeded=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_single_kind_of_a_superuser_goes_unnoticed(superusers: Runner) -> None:
    for kind in EVERY:
        for which in range(len(KINDS.get(kind, ("",)))):
            superusers.run([(kind, which)])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_programs_of_a_superuser_go_unnoticed(superusers: Runner) -> None:
    run_many(superusers, FEW, seeded=True)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_ten_thousand_programs_go_unnoticed(owners: Runner) -> None:
    run_many(owners, SOAK, seeded=False)
