"""Names of topics and groups: legal, apart, readable."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.services.kafka.names import (
    LONGEST,
    MADE,
    lease_stem,
    pooled,
    pooled_stem,
    under,
)

LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")  # Apache Kafka, internals.Topic
STEM = lease_stem("0123abcd", "4567cdef")


@given(st.text(max_size=400))
def test_any_base_becomes_a_legal_name_of_the_lease(base: str) -> None:
    name = under(STEM, base)

    assert LEGAL.fullmatch(name)
    assert name.startswith(STEM)
    assert len(name) <= LONGEST


@given(st.text(max_size=300), st.text(max_size=300))
def test_different_bases_never_meet(one: str, two: str) -> None:
    assert (under(STEM, one) == under(STEM, two)) == (one == two)


def test_bases_that_look_alike_never_meet() -> None:
    bases = [
        "a/b",
        "a b",
        "a-b",
        "a.b",
        "",
        "-",
        "-a",
        "--a",
        " ",
        "x" * 300,
        "x" * 301,
        "x" * LONGEST,
    ]

    assert len({under(STEM, base) for base in bases}) == len(bases)


def test_a_plain_base_is_readable_in_the_name() -> None:
    assert under(STEM, "orders.v1") == "wflo-0123abcd-4567cdef-orders.v1"


@given(st.integers(1, 10**6), st.text(max_size=300), st.text(max_size=300))
def test_a_topic_made_ahead_is_legal_and_no_name_that_a_test_can_ask_for(
    number: int, base: str, other: str
) -> None:
    stem = pooled_stem("0123abcd", 7)
    name = pooled(stem, number, base)

    assert LEGAL.fullmatch(name)
    assert name.startswith(stem)
    assert name != under(stem, other)
    assert name != under(stem, name.removeprefix(stem))


def test_topics_made_ahead_are_readable() -> None:
    stem = pooled_stem("0123abcd", 7)

    assert pooled(stem, 1, "") == "wflo-0123abcd-p7--1"
    assert pooled(stem, 2, "orders") == "wflo-0123abcd-p7--2-orders"


RUNS = st.text("0123456789abcdef", min_size=8, max_size=8)
STEMS = st.builds(pooled_stem, RUNS, st.integers(1, 10**6)) | st.builds(lease_stem, RUNS, RUNS)


@given(STEMS, STEMS)
def test_no_stem_begins_another(one: str, two: str) -> None:
    assert one.startswith(two) == (one == two)


@given(RUNS, st.integers(1, 10**6))
def test_every_stem_belongs_to_its_run(run: str, number: int) -> None:
    assert pooled_stem(run, number).startswith(MADE.stem(run))
