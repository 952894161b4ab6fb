"""What the pytest of a project says of it: its settings, and what its servers run."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wflo_testkit import errors
from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Json, Spec

OPTIONS = ("-m", "pytest", "--wflo-specs=json")
BEGINNING = '{\n  "wflo_testkit": '
"""Of the answer; conftests may print something before and after it."""
TIMEOUT = 120.0
"""Seconds for conftests to be imported, and a whole application with them."""
LINES = 20
"""Of what pytest said instead of an answer."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a project has set, and what it runs.

    settings: the general ones. sources: of each setting that is not at its default, where it is
    set. warnings: as in Settings. specs: server -> what it runs.
    """

    settings: Mapping[str, Json] = field(repr=False)
    sources: Mapping[str, str]
    warnings: list[str]
    specs: Mapping[str, Spec]


def read(folder: Path) -> Project:
    """Ask the project in `folder`, as pytest finds it there.

    Raises the TestkitError of its settings or its hook, or one with what pytest said.
    """
    told = _told(folder)
    if "error" in told:
        raise errors.from_json(told["error"])
    specs = {name: Spec.from_json(spec) for name, spec in told["specs"].items()}
    return Project(told["settings"], told["sources"], told["warnings"], specs)


def unmeasured() -> dict[str, str]:
    """Return variables that keep a pytest without tests from erasing what the last run measured.

    pytest-cov begins with that.
    """
    return {"COVERAGE_FILE": f"{tempfile.gettempdir()}/wflo-testkit-{secrets.token_hex(4)}"}


def _told(folder: Path) -> dict[str, Json]:
    command = [sys.executable, *OPTIONS]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | unmeasured(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
        )
        _before, found, answer = done.stdout.partition(BEGINNING)
        if found:
            told: dict[str, Json] = json.JSONDecoder().raw_decode(found + answer)[0]
            return told
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LINES:]
        cause = "\n".join([f"exit code {done.returncode}", *said])
    except (OSError, subprocess.TimeoutExpired) as error:
        cause = f"{type(error).__name__}: {error}"
    raise TestkitError(
        "pytest cannot tell what this project runs",
        cause=cause,
        looked_at=f"{' '.join(command)}, in {folder}",
        fix="correct what pytest objects to, or go to the project's folder",
    )
