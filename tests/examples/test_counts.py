"""The examples' READMEs promise numbers of tests; here they are counted."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROW = re.compile(r"^\| `(tests/\S+\.py)` \| (\d+) \|", re.MULTILINE)


def collected(example: Path) -> Counter[str]:
    """Return the number of tests that pytest finds in each file."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        command, cwd=example, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return Counter(line.split("::")[0] for line in run.stdout.splitlines() if "::" in line)


@pytest.mark.parametrize("name", ["wflo"])
def test_readme_numbers_are_right(name: str) -> None:
    """Each file's row and the total in words of the README equal what is collected."""
    readme = (EXAMPLES / name / "README.md").read_text()
    promised = {file: int(number) for file, number in ROW.findall(readme)}
    found = collected(EXAMPLES / name)

    assert promised == dict(found), "the README's table and the test files differ"
    assert f"{found.total()} tests" in readme, "the README's total is another"
