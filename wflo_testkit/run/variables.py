"""The user's own environment variables, as the setting `env` has them, filled from handles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from string import Formatter
from typing import TYPE_CHECKING, Any

from wflo_testkit import references
from wflo_testkit.errors import SettingError

if TYPE_CHECKING:
    from wflo_testkit.run.session import RunSession


def filled_from(handle: Any, name: str, session: RunSession) -> dict[str, str]:
    """Return those variables whose placeholders all name the server `name`, filled from `handle`.

    The others would start servers that nobody has asked for. Raises SettingError.
    """
    return {
        key: filled(key, text, session, lambda _name: handle)
        for key, text in session.settings["env"].items()
        if all(
            field.partition(".")[0] == name for _, field, _ in _parts(key, text, session) if field
        )
    }


def _parts(key: str, text: str, session: RunSession) -> Iterator[tuple[str, str | None, str]]:
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


def filled(key: str, text: str, session: RunSession, handle_of: Callable[[str], Any]) -> str:
    """Return a variable's text with its placeholders replaced. Raises SettingError.

    handle_of: returns what a server, or a lease, gives to a test.
    """
    return "".join(
        literal + ("" if field is None else str(_value(key, field, argument, session, handle_of)))
        for literal, field, argument in _parts(key, text, session)
    )


def _value(
    key: str, field: str, argument: str, session: RunSession, handle_of: Callable[[str], Any]
) -> Any:
    """Return what a handle has under that name: `orders.url`, or `gateway.urls[http]`."""
    name, _, inner = field.partition(".")
    if name not in (known := [*session.servers, *session.leases]):
        raise _unknown(key, field, f"the servers are: {', '.join(known)}", session)
    attribute, _, index = inner.removesuffix("]").partition("[")
    try:
        return references.value_of(handle_of(name), attribute, key=index, argument=argument)
    except references.Missing as error:
        asked = f"{field}:{argument}" if argument else field
        raise _unknown(key, asked, f"known there: {', '.join(error.known)}", session) from None


def _unknown(key: str, field: str, known: str, session: RunSession) -> SettingError:
    return SettingError(
        f"the variable {key} asks for {{{field}}}, which is nowhere",
        looked_at=f"{session.settings.source('env')}, key {key}",
        fix=known,
    )
