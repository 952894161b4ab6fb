"""A test that fails tells of the leases that outlast it, as long as they are held."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from wflo_testkit.plugin.outcome import Outcome
from wflo_testkit.plugin.wide import WideLeases


def item(**funcargs: Any) -> Any:
    return SimpleNamespace(funcargs=funcargs)


def test_what_a_test_uses_is_told_and_kept_if_it_fails() -> None:
    wide, handle, other = WideLeases(), object(), object()
    leased: Any = object()
    noted, of_other = Outcome(leases={"shop": leased}), Outcome()
    wide.add(handle, noted)
    wide.add(other, of_other)
    test = Outcome(failed=True)
    test.take_in(wide.used_by(item(shop=handle, number=7)))

    assert test.wider == {"shop": leased}
    assert noted.failed, "so its data stay"
    assert not of_other.failed


def test_what_has_been_given_back_is_no_more_told() -> None:
    wide, handle = WideLeases(), object()
    wide.add(handle, Outcome())
    wide.remove(handle)
    wide.remove(handle)

    assert list(wide.used_by(item(shop=handle))) == []


def test_a_test_that_passes_keeps_nothing_and_an_earlier_failure_stays() -> None:
    noted = Outcome(failed=True)
    passing = Outcome()
    passing.take_in([noted])

    assert noted.failed
    assert not passing.failed
