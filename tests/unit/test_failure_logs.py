"""What a failed test's report shows of its servers' logs fits a screen, the worst first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wflo_testkit import services
from wflo_testkit.plugin.failure_logs import ALL_LINES, LINES, Logging, foreign, sections
from wflo_testkit.plugin.failures import Failures
from wflo_testkit.service import LogLines

BEGAN, GOT = 100.0, 200.0


@dataclass
class FakedServer:
    """What a server has said; a real one would have to be made to complain a hundred times."""

    name: str
    text: str
    start: str = ""
    asked: list[float | None] = field(default_factory=list)

    def logs(self, since: float | None = None) -> str:
        self.asked.append(since)
        return self.text if since == GOT else self.start + self.text


def shown(
    root: Path, *servers: Any, since: float = 0.0, **more: Any
) -> list[tuple[str, list[str]]]:
    mask = Failures(str(root), 0.0), lambda text: text.replace("secret", "***")
    logging = [Logging(each, since, **more) for each in servers]
    found = sections("t.py::test", logging, BEGAN, *mask)
    return [(title, text.splitlines()) for title, text in found]


def files(root: Path) -> dict[str, str]:
    [folder] = (root / ".wflo" / "failures").iterdir()
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_faked_servers_that_complain_much_share_a_screen(tmp_path: Path) -> None:
    found = shown(tmp_path, *(FakedServer(name, "ERROR x\n" * 100) for name in "abcd"))

    assert [len(lines) for _title, lines in found] == [LINES, LINES, 4, 1]
    assert sum(len(lines) for _title, lines in found) == ALL_LINES


def test_the_faked_server_with_errors_comes_first_and_a_silent_one_not_at_all(
    tmp_path: Path,
) -> None:
    servers = FakedServer("calm", "x\n"), FakedServer("mute", ""), FakedServer("bad", "ERROR x\n")

    assert [title.split()[0] for title, _lines in shown(tmp_path, *servers)] == ["bad", "calm"]


def test_two_of_one_name_have_files_of_their_own_without_passwords(tmp_path: Path) -> None:
    shown(tmp_path, FakedServer("db", "secret 1\n"), FakedServer("db", "2\n"))

    assert files(tmp_path) == {"db.log": "*** 1\n", "db-2.log": "2\n"}


def test_where_no_file_can_be_written_the_report_says_so(tmp_path: Path) -> None:
    (tmp_path / ".wflo").write_text("a file")

    [(_title, lines)] = shown(tmp_path, FakedServer("db", "ERROR x\n"))

    assert lines[0] == "ERROR x"
    assert "in no file: " in lines[1]


def test_what_a_faked_server_said_before_the_test_got_it_is_in_the_file_alone(
    tmp_path: Path,
) -> None:
    server = FakedServer("db", "WARN mine\n", start="FATAL: starting up\n")

    [(_title, lines)] = shown(tmp_path, server, since=GOT)

    assert lines[0] == "WARN mine"
    assert lines[1].startswith("(2 lines in all")
    assert files(tmp_path) == {"db.log": "FATAL: starting up\nWARN mine\n"}


def test_a_log_of_others_alone_is_named_and_not_shown(tmp_path: Path) -> None:
    [(_title, lines)] = shown(tmp_path, FakedServer("db", "ERROR x\n"), is_left_out=lambda _: True)

    assert len(lines) == 1
    assert lines[0].startswith("(nothing of this test's; 1 line in all, in .wflo/failures/")


def test_a_faked_server_that_has_ended_comes_first_with_its_last_lines(tmp_path: Path) -> None:
    bad = Logging(FakedServer("bad", "ERROR x\n"), 0.0)  # type: ignore[arg-type]
    text = "ERROR early\n" + "".join(f"INFO {number}\n" for number in range(30))
    dead = Logging(FakedServer("dead", text), 0.0, ended="exited with code 137 (out of memory)")  # type: ignore[arg-type]
    found = list(sections("t.py::test", [bad, dead], BEGAN, Failures(str(tmp_path), 0.0), str))

    assert [title for title, _text in found] == [
        "dead ended: exited with code 137 (out of memory)",
        "bad log since the test began",
    ]
    assert found[0][1].splitlines()[:-1] == [f"INFO {number}" for number in range(11, 30)]


def test_one_that_has_ended_in_silence_shows_what_it_said_before(tmp_path: Path) -> None:
    @dataclass
    class FakedEarly(FakedServer):
        def logs(self, since: float | None = None) -> str:
            return "" if since else self.text

    [(title, lines)] = shown(tmp_path, FakedEarly("db", "bye\n"), ended="its container is gone")

    assert title == "db ended: its container is gone"
    assert lines[0] == "bye"


def told(service: str, data: str = "") -> Callable[[str], bool]:
    return foreign(services.table()[service].log, data)


P = "2026-11-29 14:16:42.523 UTC [35] "
OWN = str(
    {
        "database": "wflo_e31b879e_2",
        "user": "wflo_e31b879e_2_again_ab12",
        "stem": "wflo-e31b879e-p17-",
        "namespace": "wflo-4",
    }
)


@pytest.mark.parametrize(
    ("service", "line", "left_out"),
    [
        ("postgres", P + "wflo-testkit@wflo_e31b879e_2 ERROR:  x", True),
        ("postgres", P + "[unknown]@postgres FATAL:  the database system is starting up", True),
        ("postgres", P + "[unknown]@wflo_e31b879e_2 ERROR:  x", False),
        ("postgres", P + "[unknown]@wflo_e31b879e_21 ERROR:  x", True),
        ("postgres", P + "wflo_e31b879e_s_ab12cd34@wflo_e31b879e_schemas ERROR:  x", True),
        ("postgres", P + "[unknown]@wflo_e31b879e_t_9f9f9f9f9f9f9f9f ERROR:  x", False),
        ("postgres", P + "[unknown]@postgres ERROR:  x", False),
        ("postgres", P + 'shop@wflo_e31b879e_2 ERROR:  no "wflo_e31b879e_3"', False),
        ("postgres", P + "PANIC:  could not write to file", False),
        ("kafka", "[x] WARN a wflo-e31b879e-p17--1-orders-0 (y)", False),
        ("kafka", "[x] WARN a wflo-e31b879e-p170--1-orders-0 (y)", True),
        ("kafka", "[x] INFO Loading __transaction_state-0 (y)", True),
        ("kafka", "[x] ERROR No space left: __consumer_offsets-0 (y)", False),
        ("temporal", 'level=ERROR msg="x" wf-namespace=wflo-4', False),
        ("temporal", 'level=ERROR msg="x" wf-namespace=wflo-41', True),
        ("temporal", 'level=ERROR msg="x" wf-namespace=wflo-e31b879e-4', True),
    ],
)
def test_lines_of_the_kit_and_of_other_tests_are_told_from_ones_own(
    service: str, line: str, left_out: bool
) -> None:
    assert told(service, OWN)(line) is left_out


def test_without_a_word_on_its_lines_a_service_hides_none() -> None:
    assert foreign(LogLines(), OWN)(P + "wflo-testkit@wflo_e31b879e_3 ERROR:  x") is False
