"""When a container is ready, as its table or a fixture says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wflo_testkit import readiness, ready
from wflo_testkit.services.container import compose
from wflo_testkit.services.container.table import Table
from wflo_testkit.settings.project import suggestion


def of_table(table: Table) -> list[Any]:
    """Return the conditions and callables of `ready`; where none is set, the first port.

    Raises SettingError.
    """
    given = table["ready"]
    if given is None:
        return [ready.tcp()] if table["ports"] else []
    return [
        _condition(table, each) for each in (given if isinstance(given, list | tuple) else [given])
    ]


def _condition(table: Table, given: Any) -> Any:
    if callable(given):
        return given
    own = {given: True} if isinstance(given, str) else given
    kind = _kind(table, own)
    if not readiness.KINDS[kind].fits(own[kind]):
        raise table.refused("ready", f"{kind} cannot be {own[kind]!r}")
    if not _are_numbers(own.get("status", 200)):
        raise table.refused("ready", f"{own['status']!r} is no status such as 200, nor a list")
    if kind == "log":
        table.convert("ready", own[kind], _pattern)
    if not table["object"]:  # whose ports are known once it runs
        _check_port(table, kind, own)
    if "timeout" not in own:
        return own
    return {**own, "timeout": table.convert("ready", own["timeout"], compose.seconds)}


def _kind(table: Table, own: Any) -> str:
    """Return the kind of a condition, which has nothing that does not belong to it."""
    words = list(own) if isinstance(own, dict) else []
    kinds = [kind for kind in readiness.KINDS if kind in words]
    if len(kinds) != 1:
        unknown = next((word for word in words if isinstance(word, str)), "")
        cause = f"{own!r} is not one of {', '.join(readiness.KINDS)}"
        if len(kinds) > 1:
            cause = f"{' and '.join(kinds)} are two conditions: give them as a list"
        raise table.refused("ready", cause, suggestion(unknown, readiness.KINDS))
    [kind] = kinds
    known = (kind, "timeout", *readiness.KINDS[kind].words)
    if unknown := next((word for word in words if word not in known), ""):
        raise table.refused("ready", f"{kind} has no {unknown!r}", suggestion(unknown, known))
    return kind


def _check_port(table: Table, kind: str, own: Mapping[str, Any]) -> None:
    port = own["tcp"] if kind == "tcp" else own.get("port", "")
    ports = table["ports"]
    if port and port is not True and port not in ports:
        fix = suggestion(str(port), ports) if ports else "give it `ports`"
        raise table.refused("ready", f"no port is called {port!r}", fix)
    if readiness.KINDS[kind].has_port and not ports:
        raise table.refused("ready", f"{kind} needs a port, and it has none", "give it `ports`")


def _pattern(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def _are_numbers(status: Any) -> bool:
    several = status if isinstance(status, list | tuple) else [status]
    return bool(several) and all(type(each) is int for each in several)
