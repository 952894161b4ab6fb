"""The user's own environment variables, filled from handles: for tests, and for schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.plugin.reporting import report_errors

if TYPE_CHECKING:
    from wflo_testkit.plugin.session import PluginSession


def filled(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables of the setting `env` with their placeholders filled."""
    session = request.config.stash[PROCESS].session

    def handle_of(name: str) -> Any:
        if name in session.process.leases:
            return request.getfixturevalue(name)
        kinds = session.service(name).leases  # without one, tests use the server as a whole
        return request.getfixturevalue(f"{name}_{kinds[0].name if kinds else 'server'}")

    with report_errors(session):
        templates = session.settings["env"].items()
        return {key: _filled(key, text, session, handle_of) for key, text in templates}


def filled_from(handle: Any, name: str, session: PluginSession) -> dict[str, str]:
    """Return those variables whose placeholders all name the server `name`, filled from `handle`.

    The others would start servers that nobody has asked for. Raises SettingError.
    """
    return {
        key: _filled(key, text, session, lambda _name: handle)
        for key, text in session.settings["env"].items()
        if all(
            field.partition(".")[0] == name for _, field, _ in _parts(key, text, session) if field
        )
    }


def _parts(key: str, text: str, session: PluginSession) -> Iterator[tuple[str, str | None, str]]:
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
            looked_at=f"{session.settings.source('env')}, key {key}",
            fix="write a placeholder as {server.word}, and a brace that is none twice",
        ) from None


def _filled(key: str, text: str, session: PluginSession, handle_of: Callable[[str], Any]) -> str:
    return "".join(
        literal + ("" if field is None else str(_value(key, field, argument, session, handle_of)))
        for literal, field, argument in _parts(key, text, session)
    )


def _value(
    key: str, field: str, argument: str, session: PluginSession, handle_of: Callable[[str], Any]
) -> Any:
    """Return what a handle has under that name; a method is called, with the argument if given."""
    name, _, attribute = field.partition(".")
    if name not in (known := [*session.process.servers, *session.process.leases]):
        raise _unknown(key, field, f"the servers are: {', '.join(known)}", session)
    handle = handle_of(name)
    if attribute.startswith("_") or not hasattr(handle, attribute):
        public = [word for word in dir(handle) if not word.startswith("_")]
        raise _unknown(key, field, f"{name} has: {', '.join(public)}", session)
    value = getattr(handle, attribute)
    if callable(value):
        return value(argument) if argument else value()
    if argument:
        raise _unknown(key, f"{field}:{argument}", f"{field} takes no argument", session)
    return value


def _unknown(key: str, field: str, known: str, session: PluginSession) -> SettingError:
    return SettingError(
        f"the variable {key} asks for {{{field}}}, which is nowhere",
        looked_at=f"{session.settings.source('env')}, key {key}",
        fix=known,
    )
