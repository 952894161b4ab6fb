"""Turns what a file, a variable or the command line says into a value of an option's type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Self

from wflo_testkit.errors import SettingError
from wflo_testkit.service import Option

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class Duration(float):
    """Seconds, shown in the largest unit that needs no fraction: 90s, 15m, 24h, 7d."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number of seconds, or one with a unit. Raises ValueError."""
        word = text.strip().lower()
        unit = _UNITS.get(word[-1:], 0)
        try:
            return cls(float(word[:-1]) * unit if unit else float(word))
        except ValueError:
            raise ValueError("it is no number of seconds, nor one with s, m, h or d") from None

    def __str__(self) -> str:
        for unit, size in _UNITS.items():
            if self and self % size == 0:
                return f"{self / size:g}{unit}"
        return f"{float(self):g}s"


def from_text(option: Option, text: str, source: str) -> Any:
    """Read the value of `option` from a variable or the command line.

    Lists are separated by commas, dicts are JSON objects. Raises SettingError.
    """
    try:
        value = _READERS[type(option.default)](text.strip())
    except ValueError as error:
        raise _refused(option, text, source, error) from None
    return checked(option, value, source)


def checked(option: Option, value: Any, source: str) -> Any:
    """Return `value`, which already has a type, as `option` wants it. Raises SettingError."""
    wanted = type(option.default)
    if option.default is None:
        return value
    if wanted in (float, Duration) and type(value) in (int, float):
        value = wanted(value)
    if wanted is Duration and type(value) is str:
        return from_text(option, value, source)
    if type(value) is not wanted:
        raise _refused(option, value, source, f"it is {_NAMES.get(type(value), 'something else')}")
    if problem := _problem(option, value):
        raise _refused(option, value, source, problem)
    return value


def in_ci(environ: Mapping[str, str]) -> bool:
    """Say whether this is a CI job: the variable CI is set, and to none of 0, false, no, off."""
    return environ.get("CI", "").strip().lower() not in ("", *_FALSE)


def _problem(option: Option, value: Any) -> str:
    if isinstance(value, (int, float)) and (value < 0 or not math.isfinite(value)):
        return "it is negative or not finite"
    if isinstance(value, list) and not all(isinstance(each, str) for each in value):
        return "not all of its elements are strings"
    chosen = value if isinstance(value, list) else [value]
    if option.choices and not all(each in option.choices for each in chosen):
        return "it is not one of the choices"
    return ""


def _refused(option: Option, value: Any, source: str, why: object) -> SettingError:
    from difflib import get_close_matches

    expected = _NAMES[type(option.default)]
    if option.choices:
        expected = "one of " + ", ".join(option.choices)
        if near := get_close_matches(str(value), option.choices, n=1):
            expected += f"; did you mean {near[0]!r}?"
    return SettingError(
        f"the setting {option.key} cannot be {value!r}",
        cause=str(why),
        looked_at=source,
        fix=f"give it {expected}",
    )


def _bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("it is neither 1/true/yes/on nor 0/false/no/off")


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _dict(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from None


_READERS: dict[type, Callable[[str], Any]] = {
    bool: _bool,
    int: int,
    float: float,
    Duration: Duration.parse,
    str: str,
    list: _list,
    dict: _dict,
}
_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Duration: 'seconds, or a text such as "15m", "24h" or "7d"',
    str: "a string",
    list: "a list of strings",
    dict: "a table (in a variable: a JSON object)",
}
