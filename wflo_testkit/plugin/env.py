"""The fixture `wflo_env`: the user's own environment variables, filled from handles."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.kit import KIT, Kit
from wflo_testkit.plugin.plainly import plainly


@pytest.fixture
def wflo_env(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables of the setting `env`, filled with this test's addresses.

    A placeholder is `{<server>.<attribute of its handle>}`, such as `{orders.url}`.
    """
    kit = request.config.stash[KIT]
    with plainly(kit):
        templates: Mapping[str, str] = kit.settings["env"]
        return {key: _filled(key, text, kit, request) for key, text in templates.items()}


def _filled(key: str, text: str, kit: Kit, request: pytest.FixtureRequest) -> str:
    parts = []
    for literal, field, _spec, _conversion in Formatter().parse(text):
        parts.append(literal)
        if field is not None:
            parts.append(str(_value(key, field, kit, request)))
    return "".join(parts)


def _value(key: str, field: str, kit: Kit, request: pytest.FixtureRequest) -> Any:
    name, _, attribute = field.partition(".")
    if name not in kit.names:
        raise _unknown(key, field, f"the servers are: {', '.join(kit.names)}", kit)
    handle = request.getfixturevalue(f"{name}_{kit.names[name].leases[0].name}")
    if attribute.startswith("_") or not hasattr(handle, attribute):
        public = [word for word in dir(handle) if not word.startswith("_")]
        raise _unknown(key, field, f"{name} has: {', '.join(public)}", kit)
    return getattr(handle, attribute)


def _unknown(key: str, field: str, known: str, kit: Kit) -> SettingError:
    return SettingError(
        f"the variable {key} asks for {{{field}}}, which is nowhere",
        looked_at=f"{kit.settings.source('env')}, key {key}",
        fix=known,
    )
