"""What holds for the `reset()` of every service's handle."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tests.cases import quick
from tests.contract.test_every_service import CASES, handle, name
from wflo_testkit.errors import IsolationFailed

__all__ = ["handle", "name"]


def seen(handle: Any) -> dict[str, Any]:
    """Return what code under test has been given: address, names, account."""
    given = {field.name: getattr(handle, field.name) for field in fields(handle)}
    return {key: value for key, value in given.items() if not callable(value)} | handle.env()


@pytest.mark.parametrize("time", quick(("first", "second"), ("first",)))
def test_it_is_empty_again_under_the_same_names(name: str, handle: Any, time: str) -> None:
    before = seen(handle)
    for _again in range(3):
        CASES[name].use(handle)
        handle.reset()
    CASES[name].use(handle)

    assert seen(handle) == before


class Test:
    """Handles that outlive their test."""

    kept: dict[str, Any] = {}  # noqa: RUF012 - one for both tests

    def test_it_works_as_long_as_the_test(self, name: str, handle: Any) -> None:
        handle.reset()
        self.kept[name] = handle

    def test_afterwards_the_error_says_so(self) -> None:
        for each in self.kept.values():
            with pytest.raises(IsolationFailed, match="after it had been given back"):
                each.reset()
