"""Suites on a Redis server that are launched to be killed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lifecycle.runs import HOST, RESTING, Launched

Launch = Callable[..., Launched]

GUARDS = {"Ryuk": {}, "broker": {"WFLO_TESTKIT_RYUK": "0"}}
"""What guards a run besides the broker itself -> the variables that make it so."""


@pytest.fixture
def launch(tmp_path: Path, fresh_environment: pytest.MonkeyPatch) -> Iterator[Launch]:
    """launch(*options, texts={}, guard="Ryuk", tests=1, **variables): a suite, ended at the end.

    Without a test file of its own it holds `tests` tests that rest until they are killed.
    """
    launched: list[Launched] = []

    def launch(
        *options: str,
        texts: dict[str, str] | None = None,
        guard: str = "Ryuk",
        tests: int = 1,
        host: str = HOST,
        **variables: str,
    ) -> Launched:
        files = {"test_it.py": RESTING.format(tests=tests)} | (texts or {})
        folder = tmp_path / f"run-{len(launched)}"
        words = ("-p", "no:randomly", *options)
        more = GUARDS[guard] | {"TMPDIR": temp} | variables
        launched.append(Launched(folder, files, *words, variables=more, host=host))
        return launched[-1]

    # A temp folder for them: a killed run leaves one there, and so short a path that a socket fits.
    with tempfile.TemporaryDirectory(prefix="launched-", dir="/tmp") as temp:
        yield launch
        for each in launched:
            each.end()
