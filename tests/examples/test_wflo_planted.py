"""Reports of the wflo example's failures, one planted per service: short, and with the cause."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.examples.test_wflo_mutations import EXAMPLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SCREEN = 45
"""Lines of logs in one report, at most."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: (file, old, new) per edit, which `test` fails of. cause: what its report says."""

    test: str
    cause: str
    edits: tuple[tuple[str, str, str], ...]


PLANTED = {
    "postgres": Planted(
        "test_database.py::TestStateSnapshotModel::test_each_snapshot_has_the_next_version",
        "@wflo_.* ERROR:  duplicate key value violates unique constraint .*\n"
        r".* DETAIL:  Key \(execution_id, version\)=\(run-1, 1\) already exists",
        (
            (
                "wflo/store.py",
                "version = last.version + 1 if last else 1",
                "version = last.version if last else 1",
            ),
        ),
    ),
    "redis": Planted(
        "test_redis.py::TestLLMCache::test_invalidate_all",
        "-+ what redis_database was refused -+\ncommand 'flushall'",
        (
            (
                "wflo/cache.py",
                "return int(await self._redis.delete(*keys)) if keys else 0",
                "return len(keys) if await self._redis.flushall() else 0",
            ),
        ),
    ),
    "kafka": Planted(
        "test_kafka.py::TestEventProducer::test_payload_survives_the_wire",
        r"ERROR \[ReplicaManager .*\n.*Compacted topic cannot accept message without key",
        (
            ("wflo/events.py", "key=key, value=event.encode())", "value=event.encode())"),
            (
                "tests/integration/test_kafka.py",
                'create("events", partitions=3)',
                'create("events", partitions=3, cleanup_policy="compact")',
            ),
        ),
    ),
    "temporal": Planted(
        "test_temporal.py::TestWfloWorkflow::test_nobodys_approval_is_a_no",
        "Activity function generate for workflow run-1 is not registered on this worker",
        (("wflo/activities.py", "self.generate, self.ask", "self.ask"),),
    ),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the example with the faults, and what pytest says of it to a new user."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".wflo")
    copy = Path(
        shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("planted") / "wflo", ignore=ignored)
    )
    for file, old, new in (edit for each in PLANTED.values() for edit in each.edits):
        text = (copy / file).read_text()
        assert text.count(old) == 1, file
        (copy / file).write_text(text.replace(old, new))
    ids = [f"tests/integration/{each.test}" for each in PLANTED.values()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", *ids],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "4 failed in " in done.stdout, done.stdout + done.stderr
    return copy, done.stdout


def report(output: str, test: str) -> str:
    """Return what pytest says of one test that has failed."""
    title = re.escape(".".join(test.split("::")[1:]))
    [found] = re.findall(
        rf"^_+ {title} _+$(.*?)^(?:_{{2,}} Test|=)", output, re.MULTILINE | re.DOTALL
    )
    return str(found)


@pytest.mark.parametrize("service", PLANTED)
def test_the_report_fits_a_screen_and_names_the_cause(
    planted: tuple[Path, str], service: str
) -> None:
    each = PLANTED[service]
    text = report(planted[1], each.test)
    logs = re.findall(
        r"^-+ \S+ log since the test began -+\n(.*?)(?=^-{3}|\Z)", text, re.MULTILINE | re.DOTALL
    )

    assert re.search(each.cause, text), text
    assert logs or service in ("redis", "temporal")  # which do not log what they refuse
    assert sum(log.count("\n") for log in logs) <= SCREEN
    assert "kept for you to look at" not in text  # the servers are gone


def test_the_dump_is_opened_by_the_command_that_the_report_shows(
    planted: tuple[Path, str],
) -> None:
    copy, output = planted
    text = report(output, PLANTED["postgres"].test)
    [command] = re.findall("^postgres_database: (sh .*)$", text, re.MULTILINE)
    done = subprocess.run(
        shlex.split(command),
        cwd=copy,
        input="select id, status from workflow_executions",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert " run-1 | pending" in done.stdout
