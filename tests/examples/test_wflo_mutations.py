"""The wflo example's tests notice faults: each mutation of the service turns its tests red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "wflo"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A fault: `new` in place of `old` in `file`, which each of `tests` has to notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a pytest run did; `failed` counts failures of tests, not of their fixtures."""

    code: int
    tests: int
    failed: int
    errors: int
    output: str


def read_mutations() -> list[Mutation]:
    """Read the example's list."""
    entries = tomllib.loads((EXAMPLE / "mutations.toml").read_text())["mutation"]
    return [Mutation(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


MUTATIONS = read_mutations()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the example to spoil."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "wflo", ignore=ignored))


@pytest.fixture
def servers(postgres_server, kafka_server, temporal_server) -> dict[str, str]:
    """Variables that make all runs share this run's servers, so that none starts its own.

    But for Redis: on a server that is not the kit's a test may not SCAN, as it would see what
    belongs to others, and the service does scan. It starts in a second.
    """
    return {
        "WFLO_TESTKIT_POSTGRES_URL": postgres_server.url,
        "WFLO_TESTKIT_KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
        "WFLO_TESTKIT_TEMPORAL_ADDRESS": temporal_server.address,
    }


def run(example: Path, tests: tuple[str, ...], servers: dict[str, str]) -> Result:
    """Run `tests` of the copy `example`."""
    junit = example / "junit.xml"
    ids = [f"tests/integration/{test}" for test in tests]
    env = {name: value for name, value in os.environ.items() if "PYTEST_" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--wflo-require", f"--junitxml={junit}", *ids],
        cwd=example,
        env=env | servers,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    output = done.stdout + done.stderr
    assert junit.exists(), output
    (suite,) = ET.parse(junit).iter("testsuite")
    tests_run, failed, errors = (int(suite.get(x, 0)) for x in ("tests", "failures", "errors"))
    return Result(done.returncode, tests_run, failed, errors, output)


def test_there_are_enough_mutations() -> None:
    """Each mutation has a name of its own, and at least ten are listed."""
    names = {mutation.name for mutation in MUTATIONS}

    assert len(names) == len(MUTATIONS), "a name occurs twice"
    assert len(names) >= 10, "too few mutations"


def test_unmutated_copy_is_green(copy: Path, servers: dict[str, str]) -> None:
    """Without a fault every test that is named in the list passes."""
    tests = tuple(sorted({test for mutation in MUTATIONS for test in mutation.tests}))
    result = run(copy, tests, servers)

    assert result.code == 0, result.output
    assert result.tests == len(tests), "not every test was run"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation_is_noticed(mutation: Mutation, copy: Path, servers: dict[str, str]) -> None:
    """With the fault each named test fails, by an assertion of its own and not in a fixture."""
    source = copy / "wflo" / mutation.file
    text = source.read_text()
    assert text.count(mutation.old) == 1, "the old text has to occur exactly once"

    source.write_text(text.replace(mutation.old, mutation.new))
    result = run(copy, mutation.tests, servers)

    assert (result.code, result.errors) == (1, 0), result.output
    assert result.failed == len(mutation.tests), result.output
