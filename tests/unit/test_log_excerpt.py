"""What a report shows of a log: complaints first, and never more than there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.plugin.log_excerpt import QUIET_LINES, WIDTH, Graded

POSTGRES = """\
2026-11-29 11:00:00.123 UTC [71] LOG:  checkpoint starting: time
2026-11-29 11:00:01.123 UTC [72] ERROR:  relation "x" does not exist at character 15
2026-11-29 11:00:01.123 UTC [72] STATEMENT:  select * from x
\twhere kind = 'INFO'
2026-11-29 11:00:02.123 UTC [73] WARNING:  there is no transaction in progress
2026-11-29 11:00:03.123 UTC [71] LOG:  checkpoint complete
"""
KAFKA = """\
[2026-11-29 11:00:00,123] INFO [Controller id=1] error=NONE (org.apache.kafka.controller)
[2026-11-29 11:00:01,123] ERROR Failed to write meta.properties (kafka.server.KafkaServer)
java.nio.file.FileSystemException: /tmp/x: No space left on device
\tat java.base/sun.nio.fs.UnixException.translate(Unknown Source)
Caused by: java.io.IOException: x
[2026-11-29 11:00:02,123] INFO done (kafka.server.KafkaServer)
"""
REDIS = """\
1:M 29 Nov 2026 11:00:00.123 * Ready to accept connections tcp
1:M 29 Nov 2026 11:00:01.123 # Possible SECURITY ATTACK detected
1:M 29 Nov 2026 11:00:02.123 - Accepted 127.0.0.1:1234
"""
PYTHON = """\
INFO:app:started
ERROR:app:boom
Traceback (most recent call last):
  File "app.py", line 1, in <module>
ValueError: x
"""
TEMPORAL = """\
time=2026-11-29T11:00:00.123 level=INFO msg="error of nobody"
time=2026-11-29T11:00:01.123 level=ERROR msg="service failures"
"""
JSON = '{"level":"info","msg":"a"}\n{"level": "error", "msg": "b"}\n'
NGINX = """\
2026/11/29 11:00:00 [notice] 1#1: start worker processes
2026/11/29 11:00:01 [error] 29#29: *1 connect() failed (111: Connection refused)
"""


def excerpt(log: str, room: int) -> list[str]:
    return Graded.of(log).excerpt(room)


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        (POSTGRES, [1, 2, 3, 4]),
        (KAFKA, [1, 2, 3, 4]),
        (REDIS, [1]),
        (PYTHON, [1, 2, 3, 4]),
        (TEMPORAL, [1]),
        (JSON, [1]),
        (NGINX, [1]),
    ],
    ids=["postgres", "kafka", "redis", "python", "temporal", "json", "nginx"],
)
def test_complaints_are_told_from_the_rest_with_what_belongs_to_them(
    log: str, lines: list[int]
) -> None:
    every = log.splitlines()

    assert excerpt(log, 100) == [every[number] for number in lines]


def test_errors_come_before_warnings_and_the_last_of_each_count() -> None:
    log = "WARN a\nERROR b\nWARN c\nERROR d\nERROR e\n"

    assert excerpt(log, 4) == ["ERROR b", "ERROR d", "ERROR e", "WARN c"]
    assert excerpt(log, 2) == ["ERROR d", "ERROR e"]


def test_of_a_log_without_complaints_the_last_lines_are_shown() -> None:
    log = "\n".join(f"line {number}" for number in range(30))

    assert excerpt(log, 100) == [f"line {number}" for number in range(30 - QUIET_LINES, 30)]


def test_a_long_line_is_cut() -> None:
    assert excerpt("x" * 10_000, 1) == ["x" * WIDTH + "..."]


def test_what_is_left_out_takes_along_what_goes_on_with_it() -> None:
    lines = POSTGRES.splitlines()
    graded = Graded.of(POSTGRES, lambda line: "ERROR" in line)

    assert graded.excerpt(100) == [lines[4]]
    assert graded.end(100) == [lines[0], *lines[4:]]
    assert graded.worst == 1


def test_a_session_named_in_the_line_changes_no_level() -> None:
    named = POSTGRES.replace("[72] ", "[72] shop worker@wflo_5f3c0a1b_12 ")

    assert [line[:10] for line in excerpt(named, 100)] == [
        *["2026-11-29"] * 2,
        "\twhere kin",
        "2026-11-29",
    ]


@given(st.text(st.sampled_from('a \t\n[]:#="ERORWANIFLGlev'), max_size=300), st.integers(-3, 30))
def test_any_text_gives_lines_of_its_own_and_no_more_than_there_is_room(
    log: str, room: int
) -> None:
    found = excerpt(log, room)

    assert len(found) <= max(room, 0)
    assert set(found) <= set(log.splitlines())
    assert Graded.of(log).worst in (0, 1, 2)
