"""One container's words, `${VAR}` filled in; refusals name the word and where it stands."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wflo_testkit.errors import SettingError
from wflo_testkit.services.container import compose

T = TypeVar("T")


class Table:
    """One container's words; `${VAR}` is filled in. Refusals name the word and where it stands."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.root = Path(settings["root"])
        self.settings = {
            word: self._filled(word, value) for word, value in settings.items() if word != "root"
        }

    def __getitem__(self, word: str) -> Any:
        return self.settings[word]

    def _filled(self, word: str, value: Any) -> Any:
        try:
            return compose.interpolated(value, os.environ)
        except ValueError as error:
            raise self.refused(word, error, "set it, or write ${VAR:-default}") from None

    def read(self, word: str, reader: Callable[[Any], T]) -> T:
        """Return what `reader` makes of a word's value. Raises SettingError for what it cannot."""
        return self.convert(word, self[word], reader)

    def convert(self, word: str, value: Any, reader: Callable[[Any], T]) -> T:
        """Do the same for a part of a word's value."""
        try:
            return reader(value)
        except KeyError as error:
            raise self.refused(word, f"{error} is missing") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise self.refused(word, error) from None

    def texts(self, word: str) -> dict[str, str]:
        """Return a table of texts; numbers and booleans are written as in TOML."""
        found = {}
        for key, value in self[word].items():
            if not isinstance(value, str | int | float):
                raise self.refused(word, f"{key} = {value!r} is neither a text nor a number")
            found[key] = str(value).lower() if isinstance(value, bool) else str(value)
        return found

    def path(self, word: str, text: str) -> Path:
        """Return a path that is relative to the project. Raises SettingError where nothing is."""
        path = self.root / Path(text).expanduser()
        if not path.exists():
            raise self.refused(word, f"{path} does not exist", "paths are relative to the project")
        return path

    def callable(self, word: str) -> str:
        """Return `module:name`, or what stands for a callable of the code."""
        value = self[word]
        if callable(value):
            return f"{value.__module__}:{getattr(value, '__qualname__', type(value).__name__)}"
        if value and ":" not in value:
            raise self.refused(word, f"{value!r} is no `module:callable`")
        return str(value)

    def refused(self, word: str, cause: object, fix: str = "") -> SettingError:
        """Return the error for what a word says, and where it says so."""
        return SettingError(
            f"the container {self.name!r} cannot be run: {word}",
            cause=str(cause),
            looked_at=f"{word} of [tool.wflo-testkit.servers.{self.name}], or of wflo_container()",
            fix=fix or "docs/containers.md has every word",
        )
