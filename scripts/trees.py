"""Make the environments in which tests/trees applies the Alembic trees of other projects.

scripts/trees.py NAME...: each in .setup/trees/NAME, made once for each content of its lock, with
this checkout in editable form beside. The names and versions are pyproject.toml's groups `tree-*`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "tests" / "trees" / "locks"
HOME = ROOT / ".setup" / "trees"


def key(name: str) -> str:
    """Return what an environment was made from; it works in one place and for one Python only."""
    files = (LOCKS / f"{name}.txt", Path(__file__))
    text = " ".join((str(ROOT), sys.version, *(each.read_text() for each in files)))
    return hashlib.sha256(text.encode()).hexdigest()


def is_made(name: str) -> bool:
    mark = HOME / name / "made"
    return mark.is_file() and mark.read_text() == key(name)


def make(name: str) -> None:
    """Make one; raises CalledProcessError where neither uv nor pip could install it."""
    folder = HOME / name
    print(f"setup: making the environment of {name} in {folder.relative_to(ROOT)}", flush=True)
    uv = str(Path(sys.executable).parent / "uv")
    run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    lock = ["-r", str(LOCKS / f"{name}.txt")]
    # A hard link to uv's cache changes (its count of links, its ctime) whenever another
    # environment comes or goes; a schema that reads it would look changed.
    copies = ("--link-mode", "copy")
    try:
        run(uv, "pip", "install", "--quiet", *copies, "--python", python, *lock)
    except subprocess.CalledProcessError:
        # uv does not read pip's configuration: pip has the last word where that names a mirror.
        run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *lock)
    # As in setup-python.sh the checkout is editable; hatchling makes it, from this environment.
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-e", ".")
    (folder / "made").write_text(key(name))


def run(*command: str) -> None:
    # What is compiled at import is to be kept: the largest tree takes half a minute without.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment)


def main() -> int:
    for name in sys.argv[1:]:
        if not is_made(name):
            make(name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
