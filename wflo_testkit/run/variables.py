"""The user's own environment variables, as the setting `env` has them, filled from handles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from string import Formatter
from typing import Any

from wflo_testkit import references
from wflo_testkit.errors import SettingError
from wflo_testkit.settings import Settings


class Variables:
    """The setting `env`. known: the servers and leases that its placeholders may name."""

    def __init__(self, settings: Settings, known: Collection[str]) -> None:
        self._settings = settings
        self._known = known

    def filled(self, handle_of: Callable[[str], Any]) -> dict[str, str]:
        """Return all of them with their placeholders replaced. Raises SettingError.

        handle_of: returns what a server, or a lease, gives to a test.
        """
        return {
            key: self._filled(key, text, handle_of) for key, text in self._settings["env"].items()
        }

    def filled_from(self, handle: Any, name: str) -> dict[str, str]:
        """Return those whose placeholders all name the server `name`, filled from `handle`.

        The others would start servers that nobody has asked for. Raises SettingError.
        """
        return {
            key: self._filled(key, text, lambda _name: handle)
            for key, text in self._settings["env"].items()
            if all(
                field.partition(".")[0] == name for _, field, _ in self._parts(key, text) if field
            )
        }

    def _filled(self, key: str, text: str, handle_of: Callable[[str], Any]) -> str:
        return "".join(
            literal + ("" if field is None else str(self._value(key, field, argument, handle_of)))
            for literal, field, argument in self._parts(key, text)
        )

    def _parts(self, key: str, text: str) -> Iterator[tuple[str, str | None, str]]:
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
                looked_at=self._place(key),
                fix="write a placeholder as {server.word}, and a brace that is none twice",
            ) from None

    def _value(self, key: str, field: str, argument: str, handle_of: Callable[[str], Any]) -> Any:
        """Return what a handle has under that name: `orders.url`, or `gateway.urls[http]`."""
        name, _, inner = field.partition(".")
        if name not in self._known:
            raise self._unknown(key, field, f"the servers are: {', '.join(self._known)}")
        attribute, _, index = inner.removesuffix("]").partition("[")
        try:
            return references.value_of(handle_of(name), attribute, key=index, argument=argument)
        except references.Missing as error:
            asked = f"{field}:{argument}" if argument else field
            raise self._unknown(key, asked, f"known there: {', '.join(error.known)}") from None

    def _unknown(self, key: str, field: str, known: str) -> SettingError:
        return SettingError(
            f"the variable {key} asks for {{{field}}}, which is nowhere",
            looked_at=self._place(key),
            fix=known,
        )

    def _place(self, key: str) -> str:
        return f"{self._settings.source('env')}, key {key}"
