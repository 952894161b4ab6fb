"""The plugin that watches `make test` can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import strictness
from tests.conftest import Run


@pytest.fixture
def watched(run_suite: Run, root: Path, fresh_environment: pytest.MonkeyPatch) -> Run:
    """Run a suite under the watch of the plugin, with the allowed skips of this checkout."""
    fresh_environment.setenv("PYTHONPATH", str(root))

    def run(source: str, *options: str) -> pytest.RunResult:
        return run_suite(source, "-p", "tests.strictness", *options)

    return run


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_skip_that_is_not_listed_fails_the_run(watched: Run, workers: str) -> None:
    result = watched(
        "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no')\n", "-n", workers
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["not accepted: *::test_b skipped, not listed*"])
    assert result.outlines[-1] == "total: 1 passed, 0 failed, 1 skipped, 0 xfailed"


def test_an_xfail_that_is_not_listed_fails_the_run(watched: Run) -> None:
    result = watched("import pytest\n@pytest.mark.xfail\ndef test_a(): assert False\n")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.outlines[-1] == "total: 0 passed, 0 failed, 0 skipped, 1 xfailed"


def test_what_a_test_leaves_in_docker_fails_the_run(watched: Run) -> None:
    planted = "wflo-planted-leak"
    result = watched(
        f"""
        import subprocess
        def test_a():
            subprocess.run(["docker", "network", "create", "{planted}"], check=True)
        """
    )
    import subprocess

    subprocess.run(["docker", "network", "rm", planted], check=True, capture_output=True)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["not accepted: left behind in Docker: *"])


def test_every_line_of_the_list_gives_a_reason() -> None:
    assert strictness.allowed("# why\n\ntests/a.py::*: needs a floppy disk\n") == ["tests/a.py::*"]
    with pytest.raises(pytest.UsageError, match="no reason"):
        strictness.allowed("tests/a.py::*\n")
