"""`wflo_name("bucket")`: names that are valid everywhere, and nobody else's."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Run
from wflo_testkit.plugin import naming
from wflo_testkit.plugin.naming import Names

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # S3 guide, Bucket naming rules
INDEX = re.compile(r"(?![-_+])[^A-Z\\/*?\"<>| ,#:]{1,255}")  # Elasticsearch, Create index API
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")  # Kafka, org.apache.kafka.common.internals.Topic
IDENTIFIER = re.compile(r"(?!pg_)[a-z_][a-z0-9_$]{0,62}")  # PostgreSQL manual, Lexical Structure
EVERY = (BUCKET, INDEX, TOPIC, IDENTIFIER)


def names(process: str = "main", run: str = "0a1b2c3d") -> Names:
    stand_in: Any = SimpleNamespace(name=process, run=run)
    return Names(stand_in)


@settings(max_examples=20)
@given(words=st.lists(st.text(max_size=80), min_size=1, max_size=5), process=st.text(max_size=30))
def test_whatever_the_word_a_name_is_valid_everywhere_and_given_out_once(
    words: list[str], process: str
) -> None:
    maker = names(process)
    made = [maker.make(word) for word in words]

    for name in made:
        assert all(each.fullmatch(name) for each in EVERY), name
        assert re.fullmatch("[a-z][a-z0-9]{2,62}", name), name
    assert len(set(made)) == len(made)


@settings(max_examples=20)
@given(word=st.from_regex(r"[a-z][a-z0-9]{0,30}", fullmatch=True))
def test_the_word_can_be_read_in_it(word: str) -> None:
    assert names("gw12").make(word).startswith(word)


@settings(max_examples=20)
@given(
    words=st.lists(st.from_regex(r"[a-z0-9]{0,12}", fullmatch=True), min_size=4, max_size=4),
    run=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    workers=st.tuples(st.integers(0, 99), st.integers(0, 99)).filter(lambda two: two[0] != two[1]),
)
def test_no_two_workers_and_no_two_calls_make_the_same(
    words: list[str], run: str, workers: tuple[int, int]
) -> None:
    """Whatever stands before: word, run and worker follow each other without a separator."""
    makers = [names(f"gw{number}", run) for number in workers] + [names("main", run)]
    made = [maker.make(word) for maker in makers for word in words]

    assert len(set(made)) == len(made)


def test_mutant_whose_names_do_not_count_gives_one_out_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maker = names()
    monkeypatch.setattr(maker, "_numbers", iter([1, 1]))

    assert maker.make("queue") == maker.make("queue")


def test_a_forked_child_makes_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-forked runs each test in one, and none of them counts on."""
    maker = names()
    made = {maker.make("queue")}
    for child in (1, 2):
        monkeypatch.setattr(naming.processes, "own_pid", lambda child=child: os.getpid() + child)
        monkeypatch.setattr(maker, "_numbers", iter([2]))
        made.add(maker.make("queue"))

    assert len(made) == 3


@pytest.mark.slow
def test_a_failed_test_tells_its_names(run_suite: Run, pytester: pytest.Pytester) -> None:
    result = run_suite(
        """
        from pathlib import Path

        def test_passes(wflo_name):
            assert wflo_name("bucket").startswith("bucket")

        def test_fails(wflo_name):
            Path("names").write_text(f"{wflo_name('bucket')}, {wflo_name('Order-Queue')}")
            assert not wflo_name
        """
    )

    result.assert_outcomes(passed=1, failed=1)
    told = (pytester.path / "names").read_text()
    assert re.fullmatch(r"bucket[0-9a-f]{8}mainx2, orderqueue[0-9a-f]{8}mainx3", told)
    result.stdout.fnmatch_lines(["*names given out by wflo_name*", told])
