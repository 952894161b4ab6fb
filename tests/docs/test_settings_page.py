"""docs/settings.md says what the table of options says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from wflo_testkit import services, settings


def test_the_page_is_what_the_script_writes(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/settings_doc.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "current\n"), done.stderr


def test_every_option_has_one_row(root: Path) -> None:
    lines = (root / "docs" / "settings.md").read_text().splitlines()

    for option in settings.every(services.table()):
        assert sum(line.startswith(f"| `{option.key}` |") for line in lines) == 1
