"""scripts/setup-docker.sh, with stubs in place of Docker, apt and the user's id."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

# Real tools that the script may use; everything else on its PATH is a stub. No systemctl, so that
# no machine's own init system is asked.
TOOLS = ("bash", "sh", "cat", "chmod", "grep", "rm", "setsid", "sleep", "tail", "touch")
STUBS = {
    "docker": 'test -f "$STATE/up"',
    "id": "echo 0",
    "apt-get": 'echo "apt-get $*" >> "$STATE/calls"; case "$*" in *install*) '
    'printf "#!/bin/sh\\n$DAEMON\\n" > "$STUBS/dockerd"; chmod +x "$STUBS/dockerd";; esac',
    "apt-cache": "exit 1",
    "dpkg": 'echo "dpkg $*" >> "$STATE/calls"',
}
DAEMON = 'touch "$STATE/up"; exec sleep 2'

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def setup_docker(root: Path, tmp_path: Path) -> Run:
    """Run the script; keyword arguments replace stubs, or variables when in capitals."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for tool in TOOLS:
        (stubs / tool).symlink_to(str(shutil.which(tool)))

    def run(**changes: str) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in changes.items() if name.isupper()}
        for name, body in (STUBS | {n: b for n, b in changes.items() if n.islower()}).items():
            (stubs / name).write_text(f"#!/bin/sh\n{body}\n")
            (stubs / name).chmod(0o755)
        environment = {
            "PATH": str(stubs),
            "STUBS": str(stubs),
            "STATE": str(tmp_path),
            "DAEMON": DAEMON,
            "WFLO_DOCKERD_LOG": str(tmp_path / "dockerd.log"),
        }
        return subprocess.run(
            ["bash", str(root / "scripts/setup-docker.sh")],
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def calls(tmp_path: Path) -> str:
    """What the stubs noted."""
    file = tmp_path / "calls"
    return file.read_text() if file.exists() else ""


def test_nothing_is_said_or_done_where_a_daemon_answers(setup_docker: Run, tmp_path: Path) -> None:
    (tmp_path / "up").touch()

    done = setup_docker()

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert calls(tmp_path) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"WFLO_SETUP_DOCKER": "0"}, "WFLO_SETUP_DOCKER=0 forbids"),
        ({"id": "echo 1000"}, "only root could install or start one"),
        ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, "at tcp://127.0.0.1:1"),
    ],
)
def test_what_to_install_is_said_where_it_may_not_be(
    setup_docker: Run, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    done = setup_docker(**changes)

    assert done.returncode == 1
    assert reason in done.stderr
    assert "to fix: install Docker Engine" in done.stderr
    assert calls(tmp_path) == ""


def test_an_installed_engine_is_started(setup_docker: Run, tmp_path: Path) -> None:
    done = setup_docker(dockerd=DAEMON)

    assert (done.returncode, done.stdout) == (0, "setup: starting the Docker daemon\n")
    assert calls(tmp_path) == ""


def test_a_missing_engine_is_installed_and_started(setup_docker: Run, tmp_path: Path) -> None:
    done = setup_docker()

    assert done.returncode == 0, done.stderr
    assert "setup: installing Docker Engine (docker.io) from the distribution" in done.stdout
    configure, update, install = calls(tmp_path).splitlines()
    assert configure == "dpkg --configure -a"
    assert update.endswith(" update")
    assert install.endswith(" docker.io")


def test_another_storage_driver_is_tried_where_overlays_fail(setup_docker: Run) -> None:
    fussy = f'case "$*" in *vfs*) ;; *) echo "graphdriver: overlay" ; exit 1;; esac; {DAEMON}'

    done = setup_docker(dockerd=fussy)

    assert done.returncode == 0, done.stderr
    assert "using the slower driver vfs" in done.stdout


def test_a_daemon_that_does_not_start_shows_its_last_words(setup_docker: Run) -> None:
    done = setup_docker(dockerd="echo 'iptables: permission denied'; exit 1")

    assert done.returncode == 1
    assert "iptables: permission denied" in done.stderr
    assert "dockerd did not start, see " in done.stderr
