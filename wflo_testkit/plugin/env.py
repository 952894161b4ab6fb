"""The user's own environment variables, filled from handles: for tests, and for schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.kit import KIT
from wflo_testkit.plugin.plainly import plainly

if TYPE_CHECKING:
    from wflo_testkit.plugin.live import Live


def filled(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables of the setting `env` with their placeholders filled."""
    live = request.config.stash[KIT].live

    def handle_of(name: str) -> Any:
        kinds = live.service(name).leases  # without one, tests use the server as a whole
        return request.getfixturevalue(f"{name}_{kinds[0].name if kinds else 'server'}")

    with plainly(live):
        templates: Mapping[str, str] = live.settings["env"]
        return {key: _filled(key, text, live, handle_of) for key, text in templates.items()}


def filled_from(handle: Any, name: str, live: Live) -> dict[str, str]:
    """Return those variables whose placeholders all name the server `name`, filled from `handle`.

    The others would start servers that nobody has asked for. Raises SettingError.
    """
    templates: Mapping[str, str] = live.settings["env"]
    return {
        key: _filled(key, text, live, lambda _name: handle)
        for key, text in templates.items()
        if all(field.partition(".")[0] == name for _, field, _ in _parts(key, text, live) if field)
    }


def _parts(key: str, text: str, live: Live) -> Iterator[tuple[str, str | None, str]]:
    """Yield each text, the placeholder that follows, if one does, and what its colon is before.

    Raises SettingError for braces that do not match.
    """
    try:
        for literal, field, argument, _conversion in Formatter().parse(text):
            yield literal, field, argument or ""
    except ValueError as error:
        raise SettingError(
            f"the variable {key} cannot be filled",
            cause=error,
            looked_at=f"{live.settings.source('env')}, key {key}",
            fix="write a placeholder as {server.word}, and a brace that is none twice",
        ) from None


def _filled(key: str, text: str, live: Live, handle_of: Callable[[str], Any]) -> str:
    return "".join(
        literal + ("" if field is None else str(_value(key, field, argument, live, handle_of)))
        for literal, field, argument in _parts(key, text, live)
    )


def _value(key: str, field: str, argument: str, live: Live, handle_of: Callable[[str], Any]) -> Any:
    """Return what a handle has under that name; a method is called, with the argument if given."""
    name, _, attribute = field.partition(".")
    if name not in live.kit.servers:
        raise _unknown(key, field, f"the servers are: {', '.join(live.kit.servers)}", live)
    handle = handle_of(name)
    if attribute.startswith("_") or not hasattr(handle, attribute):
        public = [word for word in dir(handle) if not word.startswith("_")]
        raise _unknown(key, field, f"{name} has: {', '.join(public)}", live)
    value = getattr(handle, attribute)
    if callable(value):
        return value(argument) if argument else value()
    if argument:
        raise _unknown(key, f"{field}:{argument}", f"{field} takes no argument", live)
    return value


def _unknown(key: str, field: str, known: str, live: Live) -> SettingError:
    return SettingError(
        f"the variable {key} asks for {{{field}}}, which is nowhere",
        looked_at=f"{live.settings.source('env')}, key {key}",
        fix=known,
    )
