"""Names on external servers: legal, short enough, and read back exactly or not at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.broker.external import External
from wflo_testkit.dated import age, dated, without_session
from wflo_testkit.services.kafka import names as kafka
from wflo_testkit.services.postgres import names as postgres
from wflo_testkit.services.redis import names as redis
from wflo_testkit.services.temporal.pool import NAMESPACES
from wflo_testkit.services.temporal.sweep import TAGGED
from wflo_testkit.wait import clock

RUN = "20261128t2137_3f2a9c1e"
LATER = dated("ffffffffx999", 4102444800.0)
"""As long as they get."""
KEYS = redis.Names("wflo-testkit:", RUN).keys
EVERY = {
    "postgres": (postgres.MADE, "17"),
    "redis users": (redis.USERS, "0a1b2c3d"),
    "redis keys": (KEYS, "0a1b2c3d:orders:1\n"),
    "kafka": (kafka.MADE, "0a1b2c3d-orders.v1"),
    "temporal": (NAMESPACES, "3"),
    "temporal, shared": (TAGGED, "0a1b2c3d-default"),
}


def test_the_date_is_in_utc_to_the_minute_and_the_age_is_counted_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    assert dated("3f2a9c1e", 1795913859.0) == "20261129t0057_3f2a9c1e"
    assert age("20261129t0057_3f2a9c1e", 1795913859.0) == 39


@given(st.integers(0, 4102444800), st.from_regex("[0-9a-f]{8}(x[1-9][0-9]?)?", fullmatch=True))
@pytest.mark.parametrize("service", EVERY)
def test_a_run_is_read_back_from_each_of_its_names(service: str, now: int, run: str) -> None:
    names, rest = EVERY[service]
    wanted = dated(run, now)

    assert names.runs([names.stem(wanted) + rest]) == {wanted}
    assert names.is_of(wanted, names.stem(wanted) + rest)
    assert 0 <= age(wanted, now) < 60


NOT_OURS = [
    "wflo_20261128t2137_3f2a9c1e",
    "wflo_20261128t2137_3f2a9c1e_",
    "wflo_20261128t2137_3f2a9c1e_backup!",
    "my_wflo_20261128t2137_3f2a9c1e_{rest}",
    "wflo_20261128t2137_3F2A9C1E_{rest}",
    "wflo_20261128t2137__{rest}",
    "wflo_20261131t2137_3f2a9c1e_{rest}",
    "wflo_20261128t2160_3f2a9c1e_{rest}",
    "wflo_20261128T2137_3f2a9c1e_{rest}",
    "wflo_2026112t2137_3f2a9c1e_{rest}",
    "wflo_²0261128t2137_3f2a9c1e_{rest}",
    "wflo_3f2a9c1e_{rest}",
    "wflo_prod_3f2a9c1e_{rest}",
    "WFLO_20261128t2137_3f2a9c1e_{rest}",
    " wflo_20261128t2137_3f2a9c1e_{rest}",
]


@pytest.mark.parametrize("name", NOT_OURS)
@pytest.mark.parametrize("service", EVERY)
def test_a_name_that_does_not_parse_exactly_is_nobodys(service: str, name: str) -> None:
    names, rest = EVERY[service]
    word = names.before + name.format(rest=rest).replace("_", names.separator)

    assert names.runs([word]) == set()


def test_what_parses_in_one_service_is_not_anothers() -> None:
    assert kafka.MADE.runs([postgres.MADE.stem(RUN) + "1"]) == set()
    assert postgres.MADE.runs([NAMESPACES.stem(RUN) + "1"]) == set()
    assert NAMESPACES.runs([f"{NAMESPACES.stem(RUN)}1-deleted-a1b2c"]) == set()
    assert postgres.MADE.runs([f"wflo_{RUN}_1_copy", f"wflo_{RUN}_schemas_old"]) == set()
    assert KEYS.runs([f"wflo_{RUN}_0a1b:key", f"other:wflo_{RUN}_0a1b:key"]) == set()


def test_another_runs_name_is_never_this_runs() -> None:
    for names, rest in EVERY.values():
        name = names.stem(f"{RUN}x1") + rest

        assert not names.is_of(RUN, name)
        assert names.is_of(f"{RUN}x1", name)


def test_a_run_with_a_session_is_left_out() -> None:
    runs = ["20200101t0000_aa", "20200101t0000_bb", "20200101t0000_cc"]

    told = ["wflo_20200101t0000_aa_17", "psql", "", "wflo_20200101t0000_bb"]

    assert without_session(runs, told) == {"20200101t0000_cc"}


def test_every_name_of_postgres_fits_and_is_read_back() -> None:
    names = postgres.Names(LATER)
    every = [
        names.template("a" * 64),
        names.template("not plain!"),
        names.clone(10**6),
        names.schema("b" * 64),
        names.empty,
        names.shared,
    ]

    assert max(len(name) for name in (*every, names.login(10**6, "r" * 63))) <= 63
    for name in every:
        assert postgres.MADE.runs([name]) == {LATER}
        assert re.fullmatch("[a-z0-9_]+", name)
    # By this its own sessions are told.
    assert not without_session([LATER], [names.role])


def test_each_further_server_of_a_run_has_an_id_of_its_own() -> None:
    external = External("3f2a9c1e", 60)

    ids = [external.name() for _ in range(3)]

    assert [each.partition("_")[2] for each in ids] == ["3f2a9c1e", "3f2a9c1ex1", "3f2a9c1ex2"]
    assert all(0 <= age(each, clock.wall()) < 120 for each in ids)
