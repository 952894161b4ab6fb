"""Errors: four labelled parts, and the same error on the other side of a socket."""

from __future__ import annotations

import json

import pytest

from wflo_testkit import errors
from wflo_testkit.errors import StartFailed, TestkitError


def test_every_part_that_is_known_has_a_labelled_line() -> None:
    error = TestkitError("it failed", cause="refused", looked_at="127.0.0.1:5", fix="start it")

    assert str(error).splitlines() == [
        "it failed",
        "  cause:     refused",
        "  looked at: 127.0.0.1:5",
        "  to fix:    start it",
    ]


def test_parts_that_are_not_known_have_no_line() -> None:
    assert str(TestkitError("it failed", cause="", fix="start it")).splitlines() == [
        "it failed",
        "  to fix:    start it",
    ]


def test_further_lines_stand_below_the_first() -> None:
    text = str(TestkitError("it failed", cause="last log lines:\none\ntwo\n"))

    assert text.splitlines() == [
        "it failed",
        "  cause:     last log lines:",
        "             one",
        "             two",
    ]


def test_an_exception_as_cause_is_shown_with_its_kind() -> None:
    assert TestkitError("it failed", cause=OSError("refused")).cause == "OSError: refused"


def test_an_exception_without_a_message_is_shown_by_its_kind() -> None:
    assert TestkitError("it failed", cause=TimeoutError()).cause == "TimeoutError:"


@pytest.mark.parametrize("kind", sorted(errors.KINDS))
def test_every_kind_survives_json_with_all_its_parts(kind: str) -> None:
    error = errors.KINDS[kind]("what", cause="why", looked_at="where", fix="how")

    back = errors.from_json(json.loads(json.dumps(errors.to_json(error))))

    assert type(back) is type(error)
    assert back.text == error.text


def test_every_subclass_is_a_known_kind() -> None:
    kinds = {TestkitError, *TestkitError.__subclasses__()}

    assert {kind for kind in kinds if kind.__module__ == errors.__name__} == set(
        errors.KINDS.values()
    )


def test_a_kind_that_only_the_sender_knows_arrives_as_the_base_kind() -> None:
    class Peculiar(StartFailed):
        """Of a service that only the sender has loaded."""

    back = errors.from_json(errors.to_json(Peculiar("what")))

    assert type(back) is TestkitError
    assert back.what == "what"


def test_an_error_that_is_not_the_kits_arrives_with_its_kind_in_the_text() -> None:
    back = errors.from_json(errors.to_json(KeyError("ports")))

    assert back.what == "unexpected KeyError"
    assert back.cause == "'ports'"


def test_an_empty_description_still_gives_an_error() -> None:
    assert errors.from_json({}).what == "unknown error"


def test_pytest_does_not_take_the_base_class_for_a_test() -> None:
    assert TestkitError.__test__ is False
