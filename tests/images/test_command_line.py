"""`wflo-testkit images` and its progress."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wflo_testkit import catalog
from wflo_testkit.cli.main import main
from wflo_testkit.cli.progress import Progress


def test_a_list_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "list", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)

    assert [entry.name for entry in catalog.services()] == [row["name"] for row in rows]
    assert {"official", "local"} >= {row["serves"] for row in rows}


def test_a_list_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "list"]) == 0

    lines = capsys.readouterr().out.splitlines()

    assert [entry.name for entry in catalog.services()] == [line.split()[0] for line in lines]


def test_pull_with_everything_here_says_what_serves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "pull", "redis"]) == 0

    shown = capsys.readouterr()

    assert shown.out.startswith("redis ")
    assert shown.err == ""


def test_an_unknown_image_is_an_error_that_lists_the_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["images", "pull", "mysql"])

    assert caught.value.code == 2
    assert "no image is called 'mysql' (known: base, " in capsys.readouterr().err


def test_without_a_daemon_the_error_has_no_traceback(tmp_path: Path) -> None:
    """In a process of its own: docker-py leaves a socket open when it cannot connect."""
    environment = os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    command = [sys.executable, "-m", "wflo_testkit.cli.main", "images", "list"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("wflo-testkit: no Docker daemon answers")
    assert "nobody.sock" in done.stderr
    assert "Traceback" not in done.stderr


def test_plain_lines_where_the_output_is_no_terminal() -> None:
    stream = io.StringIO()

    with Progress(stream) as progress:
        progress.report("one", "step 1")
        progress.report("one", "done: image")

    assert [line.split("] ")[1] for line in stream.getvalue().splitlines()] == [
        "one: step 1",
        "one: done: image",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_line_for_all_on_a_terminal() -> None:
    stream = Terminal()

    with Progress(stream) as progress:
        progress.report("one", "step 1")
        progress.report("two", "step 2")
        shown = stream.getvalue()

    assert shown.rsplit("\r\x1b[K", 1)[1].endswith("one: step 1 (0 s) | two: step 2 (0 s)")
    assert stream.getvalue().endswith("\r\x1b[K")
