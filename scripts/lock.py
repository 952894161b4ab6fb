"""Pin every package of the development environment, with hashes, in requirements.lock.

Run by `make lock`. The input is pyproject.toml: dependencies, all extras, the group `dev`, and
what the set-up itself uses. The result serves every supported Python and names no index.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
# uv installs the lock; hatchling makes the editable install with the help of editables.
SETUP = ("uv", "hatchling", "editables")


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


def main() -> int:
    """Write the lock; return uv's exit status."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    minimum = project["project"]["requires-python"].removeprefix(">=")
    options = ["--universal", "--generate-hashes", "--no-emit-index-url", "--no-annotate"]
    command = ["uv", "pip", "compile", "-", "--quiet", "--no-header", *options]
    # Beside this interpreter, so that the pinned uv is the one that runs.
    command[0] = str(Path(sys.executable).parent / "uv")
    arguments = [*command, "--python-version", minimum, "-o", str(LOCK)]
    if "--upgrade" in sys.argv[1:]:
        arguments.append("--upgrade")
    return subprocess.run(arguments, input="\n".join(wanted(project)), text=True).returncode


if __name__ == "__main__":
    raise SystemExit(main())
