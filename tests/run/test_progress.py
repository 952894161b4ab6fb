"""Who waits at a terminal is told what takes long."""

from __future__ import annotations

import os
import pty
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from wflo_testkit.run import progress
from wflo_testkit.run.progress import MARK, Progress
from wflo_testkit.wait import wait_until

TABLE = """
[tool.wflo-testkit.servers.app]
build = "."
ready = "done"
"""


def at_a_terminal(folder: Path, *options: str) -> str:
    """Return what pytest shows at a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        words = [sys.executable, "-m", "pytest", "-p", "no:randomly", *options]
        os.execv(sys.executable, words)
    shown = b""
    with suppress(OSError):  # the other end is closed
        while part := os.read(terminal, 65536):
            shown += part
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "workers"])
def test_the_steps_of_a_build_are_shown(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "test_it.py").write_text("def test(app_server): pass")
    nonce = secrets.token_hex(4)
    (tmp_path / "Dockerfile").write_text(
        f"FROM python:3.13-slim\nENV NONCE={nonce}\nRUN sleep 1\nCMD true\n"
    )

    shown = at_a_terminal(tmp_path, *options)

    assert "1 passed" in shown
    assert re.search(rf"wflo-testkit: app: build: Step [0-9/]+ : ENV NONCE={nonce}", shown)


def test_lines_for_people_are_shown_as_they_come_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, terminal = tmp_path / "broker.log", tmp_path / "terminal"
    log.touch()
    terminal.touch()
    monkeypatch.setattr(progress, "TERMINAL", str(terminal))
    shown = Progress(log)
    with log.open("a") as lines:
        lines.write(
            f"12:00{MARK}app: build: Step 1/2\n12:01 wflo_testkit.broker INFO the run ends\n"
        )

    wait_until(lambda: "Step 1/2" in terminal.read_text(), timeout=10)
    shown.stop()

    assert terminal.read_text().strip() == "wflo-testkit: app: build: Step 1/2"


def test_without_a_terminal_nothing_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "TERMINAL", str(tmp_path / "none" / "tty"))
    shown = Progress(tmp_path / "broker.log")

    shown.stop()

    assert not shown._thread.is_alive()
