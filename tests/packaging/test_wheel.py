"""The wheel, in a virtual environment of its own, is all that a suite needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.docs.pages import sections

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

THREE_LINES = {
    "postgres": """
def test(postgres_session):
    from sqlalchemy import text
    assert postgres_session.execute(text("select 1")).scalar() == 1
""",
    "redis": """
def test(redis_client):
    redis_client.set("k", "v")
    assert redis_client.get("k") == b"v"
""",
    "kafka": """
def test(kafka_topics, kafka_producer):
    topic = kafka_topics.create("orders")
    kafka_producer.send(topic, b"one").get(timeout=10)
    assert [r.value for r in kafka_topics.read(topic, count=1, timeout=10)] == [b"one"]
""",
    "temporal": """
def test(temporal_namespace):
    import asyncio
    client = asyncio.run(temporal_namespace.connect())
    assert client.namespace == temporal_namespace.namespace
""",
}
THREE_LINES["all"] = "\n".join(
    text.replace("def test(", f"def test_{name}(") for name, text in THREE_LINES.items()
)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(root)],
        check=True,
        capture_output=True,
    )
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [wheel] = dist.glob("*.whl")
    return wheel


@pytest.mark.parametrize("extra", THREE_LINES)
def test_three_lines_pass_in_an_empty_environment(wheel: Path, extra: str, tmp_path: Path) -> None:
    python = environment(tmp_path, f"{wheel}[{extra}]")
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_it.py").write_text(THREE_LINES[extra])
    done = run(str(python), "-m", "pytest", "-W", "error", "--wflo-require", at=suite)

    assert f"{4 if extra == 'all' else 1} passed" in done.stdout


def test_the_tutorial_passes_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "tutorial.md"
    [tutorial] = [section for section in sections(page) if section.has_tests]
    [command] = tutorial.of("bash")
    python = environment(tmp_path, f"{wheel}[postgres]", "pytest-xdist")
    for name, text in tutorial.files.items():
        path = tmp_path / "suite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    done = run(str(python), *command.text.split()[1:], at=tmp_path / "suite")

    assert "11 passed" in done.stdout


def environment(folder: Path, *packages: str) -> Path:
    """Return the Python of a new virtual environment below `folder` that has these packages."""
    uv, python = (sys.executable, "-m", "uv"), folder / "venv" / "bin" / "python"
    run(*uv, "venv", "--quiet", "--python", sys.executable, "venv", at=folder)
    run(*uv, "pip", "install", "--quiet", "--python", str(python), *packages, at=folder)
    return python


def test_the_wheel_brings_types_and_the_images_recipes(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert "wflo_testkit/py.typed" in names
    assert "wflo_testkit/_containers/images.toml" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_sdist_brings_the_recipes_the_tests_and_the_licence(dist: Path) -> None:
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"containers/images.toml", "tests/conftest.py", "LICENSE", "README.md"} <= names


def run(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Run `words` in the folder `at`, without what this test run has in its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "VIRTUAL_ENV"))}
    done = subprocess.run(words, cwd=at, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
