"""Names of topics and groups: legal, apart, readable."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.services.kafka.names import LONGEST, lease_stem, pooled, run_stem, under

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
    bases = ["a/b", "a b", "a-b", "a.b", "", "-", " ", "x" * 300, "x" * 301, "x" * LONGEST]

    assert len({under(STEM, base) for base in bases}) == len(bases)


def test_a_plain_base_is_readable_in_the_name() -> None:
    assert under(STEM, "orders.v1") == "wflo-0123abcd-4567cdef-orders.v1"


def test_names_of_the_pool_belong_to_the_run_and_to_no_lease() -> None:
    assert pooled("0123abcd", 7, "") == "wflo-0123abcd-p7"
    assert pooled("0123abcd", 7, "orders") == "wflo-0123abcd-p7-orders"
    assert pooled("0123abcd", 7, "orders").startswith(run_stem("0123abcd"))
