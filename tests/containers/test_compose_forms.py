"""Variables, files of them, durations and health checks are read as Compose has them."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.services.container import compose

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
VALUES = st.text(string.ascii_letters + " $:/-", max_size=8)
PLAIN = st.text(max_size=20).filter(lambda text: "$" not in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${SET}", "one"),
        ("a ${SET} b ${SET}", "a one b one"),
        ("${ABSENT:-default}", "default"),
        ("${ABSENT-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${SET:?needed}", "one"),
        ("${EMPTY?needed}", ""),
        ("${SET:+instead}", "instead"),
        ("${EMPTY:+instead}", ""),
        ("${EMPTY+instead}", "instead"),
        ("${ABSENT+instead}", ""),
        ("$${SET}", "${SET}"),
        ("$$$$", "$$"),
        ("$SET costs 5$", "$SET costs 5$"),
    ],
)
def test_a_variable_in_braces_is_filled_in(text: str, expected: str) -> None:
    assert compose.interpolated(text, {"SET": "one", "EMPTY": ""}) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${ABSENT}", "the variable ABSENT is not set"),
        ("${ABSENT:?ask your team for it}", "ask your team for it"),
        ("${EMPTY:?}", "the variable EMPTY is not set"),
        ("${SET%%.*}", "is no variable"),
        ("${SET:-${ABSENT}}", "is no variable"),
        ("${", "is no variable"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        compose.interpolated(text, {"SET": "one", "EMPTY": ""})


@pytest.mark.slow
@given(PLAIN, NAMES, VALUES, PLAIN)
def test_the_text_around_a_variable_stays(before: str, name: str, value: str, after: str) -> None:
    text = f"{before}${{{name}}}{after}"

    assert compose.interpolated(text, {name: value}) == before + value + after


@pytest.mark.slow
@given(st.text())
def test_a_text_with_its_dollars_doubled_comes_back(text: str) -> None:
    assert compose.interpolated(text.replace("$", "$$"), {}) == text


@pytest.mark.slow
@given(PLAIN, VALUES)
def test_every_text_of_a_table_is_filled_and_nothing_else(text: str, value: str) -> None:
    call = len
    table = {"a": ["${V}", 1, True, None], "b": {"c": f"{text}${{V}}", "d": call}}

    assert compose.interpolated(table, {"V": value}) == {
        "a": [value, 1, True, None],
        "b": {"c": text + value, "d": call},
    }


def test_a_file_of_variables_has_quotes_and_comments_as_docker_reads_them() -> None:
    text = """
    # a comment
    export A=x # one
    B='it\\'s'
    C = "two\\nlines
and three ${A}"
    D=#no comment
    E=
    """

    assert compose.variables(text) == {
        "A": "x",
        "B": "it's",
        "C": "two\nlines\nand three ${A}",
        "D": "#no comment",
        "E": "",
    }


@pytest.mark.slow
@given(st.dictionaries(NAMES, st.text("abc '#=$\n", max_size=10), max_size=4))
def test_quoted_values_come_back(values: dict[str, str]) -> None:
    text = "\n".join(f'{name}="{value}"' for name, value in values.items())

    assert compose.variables(text) == values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\nno assignment\n", 2),
        ("\n# one\nA\n", 3),
        ('A="not closed\n', 1),
        ('A="two\nlines"\nB="x" y', 3),
        ("A=1\n\n\nno assignment", 4),
    ],
)
def test_what_is_no_assignment_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line} is no NAME=value"):
        compose.variables(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, 2.0), (0.5, 0.5), ("10s", 10.0), ("1m30s", 90.0), ("1h", 3600.0), ("500ms", 0.5)],
)
def test_a_duration_is_a_number_of_seconds_or_compose_s_text(
    value: object, expected: float
) -> None:
    assert compose.seconds(value) == expected


@pytest.mark.parametrize("value", ["10", "s", "1 m", "", True, None, [1]])
def test_another_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no duration such as 10s"):
        compose.seconds(value)


def test_a_health_check_is_what_docker_takes() -> None:
    table = {"test": "curl localhost", "interval": "1s", "timeout": 0.5, "retries": 3}

    assert compose.healthcheck(table) == {
        "test": ["CMD-SHELL", "curl localhost"],
        "interval": 1_000_000_000,
        "timeout": 500_000_000,
        "retries": 3,
    }
    assert compose.healthcheck({"test": ["NONE"]}) == {"test": ["NONE"]}
    with pytest.raises(ValueError, match="healthcheck has no every"):
        compose.healthcheck({"test": "x", "every": "1s"})


def test_a_command_is_a_list_or_what_a_shell_splits() -> None:
    assert compose.words(None) == ()
    assert compose.words("serve --name 'two words'") == ("serve", "--name", "two words")
    assert compose.words(["serve", "two words"]) == ("serve", "two words")
    with pytest.raises(ValueError, match="neither a text nor a list"):
        compose.words(["serve", 1])
