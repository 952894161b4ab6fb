"""Cases of one test, of which `make test` runs the telling ones."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest


def quick(cases: Iterable[object], chosen: Container[object]) -> list[Any]:
    """Return `cases` for parametrize; those that are not `chosen` only run in `make test-all`."""
    return [pytest.param(case, marks=() if case in chosen else pytest.mark.slow) for case in cases]
