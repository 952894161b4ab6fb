"""What a failed test's report shows of its servers' logs fits a screen, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wflo_testkit.plugin.failure_logs import ALL_LINES, LINES, sections
from wflo_testkit.plugin.failures import Failures


@dataclass
class FakedServer:
    """What a server has said; a real one would have to be made to complain a hundred times."""

    name: str
    text: str

    def logs(self, _began: float) -> str:
        return self.text


def shown(root: Path, *servers: Any) -> list[tuple[str, list[str]]]:
    mask = Failures(str(root), 0.0), lambda text: text.replace("secret", "***")
    found = sections("t.py::test", servers, 0.0, *mask)
    return [(title.split()[0], text.splitlines()) for title, text in found]


def test_faked_servers_that_complain_much_share_a_screen(tmp_path: Path) -> None:
    found = shown(tmp_path, *(FakedServer(name, "ERROR x\n" * 100) for name in "abcd"))

    assert [len(lines) for _name, lines in found] == [LINES, LINES, 4, 1]
    assert sum(len(lines) for _name, lines in found) == ALL_LINES


def test_the_faked_server_with_errors_comes_first_and_a_silent_one_not_at_all(
    tmp_path: Path,
) -> None:
    servers = FakedServer("calm", "x\n"), FakedServer("mute", ""), FakedServer("bad", "ERROR x\n")

    assert [name for name, _lines in shown(tmp_path, *servers)] == ["bad", "calm"]


def test_two_of_one_name_have_files_of_their_own_without_passwords(tmp_path: Path) -> None:
    shown(tmp_path, FakedServer("db", "secret 1\n"), FakedServer("db", "2\n"))

    [folder] = (tmp_path / ".wflo" / "failures").iterdir()
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert texts == {"db.log": "*** 1\n", "db-2.log": "2\n"}


def test_where_no_file_can_be_written_the_report_says_so(tmp_path: Path) -> None:
    (tmp_path / ".wflo").write_text("a file")

    [(_name, lines)] = shown(tmp_path, FakedServer("db", "ERROR x\n"))

    assert lines[0] == "ERROR x"
    assert "in no file: " in lines[1]
