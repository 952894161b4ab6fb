"""Files that scripts write from the code, and tests compare with it."""

from __future__ import annotations

import sys
from pathlib import Path


def update(file: Path, text: str) -> int:
    """Write `text` to `file`, or with --check only return 1 when that is not what it holds."""
    if "--check" not in sys.argv[1:]:
        file.write_text(text)
        return 0
    current = file.is_file() and file.read_text() == text
    print("current" if current else f"{file} is not current: run {sys.argv[0]}")
    return 0 if current else 1
