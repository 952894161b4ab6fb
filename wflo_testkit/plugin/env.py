"""The fixture `wflo_env`: the user's own environment variables, filled from handles."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.kit import KIT
from wflo_testkit.plugin.live import Live
from wflo_testkit.plugin.plainly import plainly


def filled(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables of the setting `env` with their placeholders filled."""
    live = request.config.stash[KIT].live
    with plainly(live):
        templates: Mapping[str, str] = live.settings["env"]
        return {key: _filled(key, text, live, request) for key, text in templates.items()}


def _filled(key: str, text: str, live: Live, request: pytest.FixtureRequest) -> str:
    parts = []
    for literal, field, _spec, _conversion in Formatter().parse(text):
        parts.append(literal)
        if field is not None:
            parts.append(str(_value(key, field, live, request)))
    return "".join(parts)


def _value(key: str, field: str, live: Live, request: pytest.FixtureRequest) -> Any:
    name, _, attribute = field.partition(".")
    if name not in live.kit.servers:
        raise _unknown(key, field, f"the servers are: {', '.join(live.kit.servers)}", live)
    handle = request.getfixturevalue(f"{name}_{live.service(name).leases[0].name}")
    if attribute.startswith("_") or not hasattr(handle, attribute):
        public = [word for word in dir(handle) if not word.startswith("_")]
        raise _unknown(key, field, f"{name} has: {', '.join(public)}", live)
    return getattr(handle, attribute)


def _unknown(key: str, field: str, known: str, live: Live) -> SettingError:
    return SettingError(
        f"the variable {key} asks for {{{field}}}, which is nowhere",
        looked_at=f"{live.settings.source('env')}, key {key}",
        fix=known,
    )
