"""What every test of the kit shares."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reuse.parts import remove_all_of
from wflo_testkit.runtime.reuse.user_folder import UserFolder

pytest_plugins = ["pytester"]

# A run that makes warm images leaves a process and a container behind for a while, which tests of
# what is left behind would find. Tests of warm images switch them on for themselves.
WITHOUT_WARM_IMAGES = ("WFLO_TESTKIT_WARM_IMAGES", "0")
os.environ.setdefault(*WITHOUT_WARM_IMAGES)

Run = Callable[..., pytest.RunResult]
KEPT = "TESTS_KEEP_SERVERS_IN"
"""Variable of the controller and its workers: the cache folder of `kept_servers`."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[KEPT] = tempfile.mkdtemp(prefix="wflo-tests-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("lengthy") is None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        kept = Path(os.environ.pop(KEPT))
        if any(kept.iterdir()):
            remove_all_of(UserFolder(kept / "wflo-testkit" / "servers"))
        shutil.rmtree(kept)


@pytest.fixture
def fresh_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No variable of the machine that runs these tests changes what a suite under test does."""
    for name in list(os.environ):
        if name == "CI" or name.startswith(("WFLO_TESTKIT_", "TEST_DATABASE", "PYTEST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv(*WITHOUT_WARM_IMAGES)
    return monkeypatch


@pytest.fixture
def kept_servers(fresh_environment: pytest.MonkeyPatch) -> None:
    """Suites attach to servers that the whole run of tests keeps, where starts are not the point.

    A start costs two cores more than most of what is tested here, and each run would have its own.
    """
    fresh_environment.setenv("XDG_CACHE_HOME", os.environ[KEPT])
    fresh_environment.setenv("WFLO_TESTKIT_REUSE", "1")


@pytest.fixture
def own_kept_servers(fresh_environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The same, with servers that one test's suites have to themselves.

    Eight templates stay on a kept server: on one for all tests there is no room for the ninth.
    """
    fresh_environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fresh_environment.setenv("WFLO_TESTKIT_REUSE", "1")
    yield
    remove_all_of(UserFolder(tmp_path / "cache" / "wflo-testkit" / "servers"))


@pytest.fixture
def run_suite(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> Run:
    """Run a suite in an empty folder as a user would: a process of its own, warnings are errors.

    run_suite("test source", *options, conftest="...", pyproject="...", files={name: text})
    """

    def run(
        source: str = "",
        *options: str,
        conftest: str = "",
        pyproject: str = "",
        files: dict[str, str] | None = None,
    ) -> pytest.RunResult:
        texts = {"test_it.py": source, "conftest.py": conftest, "pyproject.toml": pyproject}
        for name, text in (texts | (files or {})).items():
            if text:
                path = pytester.path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_dedented(text))
        # What no suite here uses costs each of hundreds of processes a quarter of a second.
        unused = (
            *("-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cov"),
            *("-p", "no:fakefs", "-p", "no:socket"),
        )
        # pytest-asyncio 1.5 warns whoever leaves one of its settings at the default.
        strict = ("-W", "error", "-W", "ignore::pytest.PytestDeprecationWarning")
        return pytester.runpytest_subprocess(*unused, *strict, *options)

    return run


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return Path(__file__).parent.parent


def _dedented(text: str) -> str:
    from textwrap import dedent

    return dedent(text).lstrip("\n")
