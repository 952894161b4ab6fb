"""The settings that a warm Kafka begins with: what the image's own start wrote, and one line more.

The scripts run here, in a folder; what they call Java is a fake.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wflo_testkit.services.kafka import warm_image

HERE = Path(warm_image.__file__).parent
LISTENERS = "PLAINTEXT://127.0.0.1:32768,BROKER://kafka:9093"
ENDINGS = ["", "\n", "\n\n", "\\", "\\\n"]
"""A value may end with a backslash, which takes the next line in."""


@pytest.fixture
def warm(tmp_path: Path) -> Path:
    """What making leaves, but for the settings."""
    storage = tmp_path / "kafka-logs"
    storage.mkdir()
    (storage / "meta.properties").write_text("version=1\n")
    texts = {"storage": str(storage), "archive": "", "insisting": "", "java.sh": "exit 0\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    put(tmp_path, "assemble.sh", (HERE / "assemble.sh").read_text())
    return tmp_path


def put(warm: Path, name: str, text: str) -> None:
    (warm / name).write_text(text.replace("/tmp/wflo-warm", str(warm)))


def written(warm: Path, ending: str) -> None:
    """Let the image's own start have written its settings, in no order, with this ending."""
    lines = ["", "node.id=1", "advertised.listeners=PLAINTEXT://localhost:9092", "num.io.threads=8"]
    (warm / "formatted.properties").write_text("\n".join(lines) + ending)


def run(warm: Path, name: str, *given: str) -> subprocess.CompletedProcess[str]:
    text = (HERE / name).read_text()
    put(warm, name, text.replace("/tmp/wflo-expected", str(warm / "expected")))
    return subprocess.run(
        ["sh", str(warm / name), *given], capture_output=True, text=True, timeout=20, check=False
    )


def settings(text: str) -> dict[str, str]:
    """Read settings as Java does, as far as these go (java.util.Properties, load)."""
    joined = text.replace("\\\n", "")
    return dict(line.split("=", 1) for line in joined.splitlines() if "=" in line)


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_no_ending_of_the_images_file_loses_a_setting(warm: Path, ending: str) -> None:
    written(warm, ending)
    done = run(warm, "serve.sh", LISTENERS)

    assert (done.returncode, done.stderr) == (0, "")
    assert settings((warm / "server.properties").read_text()) == {
        "node.id": "1",
        "advertised.listeners": LISTENERS,
        "num.io.threads": "8",
    }


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_the_check_takes_what_a_start_writes(warm: Path, ending: str) -> None:
    written(warm, ending)
    done = run(warm, "check.sh")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "assemble",
    [
        '{ cat $warm/formatted.properties; echo "advertised.listeners=$1"; }',
        '{ echo "advertised.listeners=$1"; cat $warm/formatted.properties; }',
        'printf "advertised.listeners=%s" "$1"',
        "cat $warm/formatted.properties",
    ],
    ids=["in one line", "overruled", "no other", "not at all"],
)
def test_the_check_refuses_settings_that_a_start_would_lose(warm: Path, assemble: str) -> None:
    put(warm, "assemble.sh", f"{assemble} >$warm/server.properties\n")
    written(warm, "")
    done = run(warm, "check.sh")

    assert done.returncode == 1
    assert "lacks settings" in done.stderr
