"""One lease for a whole scope cannot contain what two folders say it contains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.process import MADE_BY_SCOPED

if TYPE_CHECKING:
    from wflo_testkit.plugin.process import PytestProcess
    from wflo_testkit.plugin.scopes import Scoped

Definition = pytest.FixtureDef[Any]
Reached = dict[Any, dict[Definition, dict[str, list[Definition]]]]
"""A node -> the scoped leases that last for it -> the fixtures that these take -> definitions of
those, among which each test there sees one."""


class Overrides:
    """Which definitions of its inputs reach each scoped lease, by the tests that are selected."""

    def __init__(self, process: PytestProcess) -> None:
        self._process = process
        self._reached: Reached | None = None

    def refuse_two(self, request: pytest.FixtureRequest, made: Scoped) -> None:
        """Raise SettingError where tests of one scope see different inputs of `made`.

        pytest itself makes the fixture for the first of these tests, and hands it to all others.
        """
        if self._reached is None:
            self._reached = _reached(request.session.items)
        for definition, inputs in self._reached.get(request.node, {}).items():
            is_this = getattr(definition.func, MADE_BY_SCOPED) is made
            for name, found in inputs.items():
                if is_this and definition.argname == request.fixturename and len(found) > 1:
                    raise self._refused(request, made, name, found)

    def _refused(
        self, request: pytest.FixtureRequest, made: Scoped, name: str, found: list[Definition]
    ) -> SettingError:
        places = " and ".join(self._place(each) for each in found)
        return SettingError(
            f"two definitions of {name!r} reach one lease, {request.fixturename!r}",
            cause=f"it is one for its whole scope, which is {made.scope}; the selected tests see "
            f"{name} of {places}",
            looked_at=f"{made.text} of {self._relative(made.place)}",
            fix=f"write `{request.fixturename} = {made.text}` into each folder that has its own "
            f"{name}, or choose a narrower scope",
        )

    def _place(self, definition: Definition) -> str:
        if definition.func in self._process.fixture_functions:
            return "the kit, which is None"
        code = definition.func.__code__
        return self._relative(f"{code.co_filename}:{code.co_firstlineno}")

    def _relative(self, place: str) -> str:
        try:
            return str(Path(place).relative_to(self._process.config.rootpath))
        except ValueError:
            return place


def _reached(items: list[pytest.Item]) -> Reached:
    found: Reached = {}
    for item in items:
        known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        for definitions in known.values():
            for definition in _scoped_among(definitions):
                of_node = found.setdefault(_node(item, definition), {})
                inputs = of_node.setdefault(definition, {})
                for name in definition.argnames:
                    if seen := known.get(name):
                        _add(inputs.setdefault(name, []), seen[-1])
    return found


def _scoped_among(definitions: list[Definition]) -> Iterator[Definition]:
    """Yield which lease that outlasts a test, of those of one name, a test reaches."""
    for definition in reversed(definitions):
        if (made := getattr(definition.func, MADE_BY_SCOPED, None)) is not None:
            if definition.scope != "function" and made.part and made.part.kind == "lease":
                yield definition
            return
        if definition.argname not in definition.argnames:
            return


def _add(known: list[Definition], definition: Definition) -> None:
    """Add it, unless the same function is there, which two folders may have imported."""
    if all(each.func is not definition.func for each in known):
        known.append(definition)


def _node(item: pytest.Item, definition: Definition) -> Any:
    """Return the node that a fixture belongs to when `item` asks for it, as pytest finds it."""
    if definition.scope == "session":
        return item.session
    if definition.scope == "package":
        packages = [each for each in item.listchain() if isinstance(each, pytest.Package)]
        own = [each for each in packages if each.nodeid == definition.baseid]
        return own[0] if own else item.session
    kinds: dict[str, Any] = {"class": pytest.Class, "module": pytest.Module}
    kind = kinds.get(definition.scope)
    return (kind and item.getparent(kind)) or item
