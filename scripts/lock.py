"""Pin every package of the development environment, with hashes, in requirements.lock.

Run by `make lock`. The input is pyproject.toml: dependencies, all extras, the group `dev`, and
what the set-up itself uses. The result serves every supported Python and names no index. The
environments of scripts/trees.py are pinned without hashes, which would be 10,000 lines.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
TREES = ROOT / "tests" / "trees" / "locks"
# hatchling makes the editable install with the help of editables; uv installs the lock.
EDITABLE = ("hatchling", "editables")
SETUP = ("uv", *EDITABLE)
PREFIX = "tree-"


def wanted(project: dict[str, Any]) -> list[str]:
    """Return the requirements to pin; the project's references to its own extras are left out."""
    name = project["project"]["name"]
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        project["dependency-groups"]["dev"],
        SETUP,
    ]
    return [line for group in groups for line in group if not line.startswith(f"{name}[")]


def trees(project: dict[str, Any]) -> dict[str, list[str]]:
    """Return what each tree's environment holds, and the kit's own needs with it."""
    kit = project["project"]
    needs = [*kit["dependencies"], *kit["optional-dependencies"]["postgres"], *EDITABLE]
    groups = project["dependency-groups"].items()
    return {
        name.removeprefix(PREFIX): [*group, *needs]
        for name, group in groups
        if name.startswith(PREFIX)
    }


def pin(requirements: list[str], lock: Path, minimum: str, *options: str) -> int:
    """Write `lock`, which keeps its versions unless `options` say else; return uv's exit status."""
    every = ["--universal", "--no-emit-index-url", "--no-annotate", "--python-version", minimum]
    # Beside this interpreter, so that the pinned uv is the one that runs.
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", "-", "--quiet", "--no-header", *every, *options]
    text = "\n".join(requirements)
    return subprocess.run([*command, "-o", str(lock)], input=text, text=True).returncode


def main() -> int:
    """Write the locks; return the first exit status of uv that tells of a failure, else 0."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    minimum = project["project"]["requires-python"].removeprefix(">=")
    options = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    failed = pin(wanted(project), LOCK, minimum, "--generate-hashes", *options)
    for name, requirements in trees(project).items():
        failed = failed or pin(requirements, TREES / f"{name}.txt", minimum, *options)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
