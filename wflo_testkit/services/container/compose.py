"""What Compose's files write in their own way: variables, files of variables, words, sizes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

from wflo_testkit.model import Json

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<open>\{)"
    r"(?:(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<text>[^{}]*))?(?P<close>\}))?)",
    re.ASCII,
)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def interpolated(value: Json, environ: Mapping[str, str]) -> Json:
    """Replace `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `${VAR:+instead}` in every text.

    `$$` is one dollar; a dollar before anything but a brace stays. Without the colon a variable
    that is set, and empty, counts (Compose specification, Interpolation). Raises ValueError for
    one that is not set, and for another form in braces.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _replaced(found, environ), value)
    if isinstance(value, Mapping):
        return {key: interpolated(each, environ) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [interpolated(each, environ) for each in value]
    return value


def _replaced(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    if not found["close"]:
        text = found.string[found.start() : found.start() + 20]
        raise ValueError(f"{text!r} is no variable: write $${{ where a brace follows a dollar")
    name, how, text = found["name"], found["how"] or "", found["text"] or ""
    value = environ.get(name)
    is_set = value is not None and not (how.startswith(":") and not value)
    if how.endswith("+"):
        return text if is_set else ""
    if value is not None and is_set:
        return value
    if how.endswith("-"):
        return text
    raise ValueError(text or f"the variable {name} is not set")


def variables(text: str) -> dict[str, str]:
    """Read a file of `NAME=value` lines, as python-dotenv does, without filling in any variable.

    Raises ValueError, which names the line that is no such thing.
    """
    from dotenv.parser import parse_stream

    found = {}
    for entry in parse_stream(StringIO(text)):
        if entry.error or (entry.key is not None and entry.value is None):
            own = entry.original.string
            blank = own[: len(own) - len(own.lstrip())].count("\n")
            raise ValueError(f"line {entry.original.line + blank} is no NAME=value")
        if entry.key is not None and entry.value is not None:
            found[entry.key] = entry.value
    return found


def words(value: Json) -> tuple[str, ...]:
    """Return a list of words as it is, and a text as a shell splits it. Raises ValueError."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(shlex.split(value))
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError("it is neither a text nor a list of texts")


def seconds(value: Json) -> float:
    """Return seconds from a number, or from Compose's "1m30s". Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not re.fullmatch(r"(\d+(\.\d+)?(us|ms|s|m|h))+", str(value)):
        raise ValueError(f"{value!r} is no duration such as 10s or 1m30s")
    parts = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)", str(value))
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def healthcheck(table: Mapping[str, Json]) -> dict[str, Json]:
    """Return a health check as docker-py takes it: durations in nanoseconds. Raises ValueError."""
    known: dict[str, Callable[[Any], Json]] = {
        "test": lambda test: ["CMD-SHELL", test] if isinstance(test, str) else list(test),
        "interval": _nanoseconds,
        "timeout": _nanoseconds,
        "start_period": _nanoseconds,
        "retries": int,
    }
    if unknown := set(table) - set(known):
        raise ValueError(f"healthcheck has no {', '.join(sorted(unknown))}")
    return {name: known[name](value) for name, value in table.items()}


def _nanoseconds(value: Json) -> int:
    return int(seconds(value) * 1e9)
