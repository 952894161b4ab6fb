"""Reads [tool.wflo-testkit] of the project's pyproject.toml, and refuses names that cannot be."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.settings.options import TABLE

FILE = "pyproject.toml"
SERVERS = "servers"
LEASES = "leases"
RESERVED = ("wflo",)
"""Prefixes of the kit's other fixtures."""


@dataclass(frozen=True, slots=True)
class Project:
    """The kit's part of one pyproject.toml.

    path: the file. values: its settings. servers: extra server -> its own settings, "service"
    among them. leases: lease -> what its table says.
    """

    path: Path
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    leases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def source(self, key: str, server: str = "") -> str:
        """Say where a setting stands, for people."""
        return f"{FILE}: {_table(server)} {key}"


def read(rootdir: Path) -> Project:
    """Read the file in `rootdir`; one that is absent or says nothing of the kit is an empty one.

    Raises SettingError for a file that cannot be parsed.
    """
    path = rootdir / FILE
    content = _bytes(path)
    if b"wflo-testkit" not in content:
        return Project(path)
    found = _parsed(content, path).get("tool", {}).get("wflo-testkit", {})
    values = dict(_as_table(found, path, TABLE))
    servers = _as_table(values.pop(SERVERS, {}), path, _table(""), SERVERS)
    for name, own in servers.items():
        _as_table(own, path, _table(name))
    leases = _as_table(values.pop(LEASES, {}), path, TABLE, LEASES)
    for name, own in leases.items():
        _as_table(own, path, f"[tool.wflo-testkit.{LEASES}.{name}]")
    return Project(path, values, servers, leases)


def refuse_unknown(
    project: Project,
    known: Collection[str],
    server: str = "",
    hints: Mapping[str, str] | None = None,
) -> None:
    """Raise SettingError for the first key that is not `known`, naming the nearest that is.

    hints: key -> what stands for it, where that cannot be guessed.
    """
    keys = project.servers[server] if server else project.values
    for key in keys:
        if key not in known:
            raise SettingError(
                f"unknown setting {key!r}",
                looked_at=f"{project.path}, table {_table(server)}",
                fix=f"write {hints[key]}" if hints and key in hints else suggestion(key, known),
            )


def refuse_bad_names(
    project: Project,
    servers: Mapping[str, str],
    services: Mapping[str, Sequence[str]],
    fixtures: Mapping[str, Sequence[str]],
) -> None:
    """Raise SettingError for a server's name from which no fixtures can be named.

    servers: extra server -> service. fixtures: service -> suffixes of its fixtures.
    """
    for name in servers:
        if problem := _fault_of(name, services):
            raise _bad_name(project, name, problem)
    owners: dict[str, str] = {}
    for server, service in ({name: name for name in services} | dict(servers)).items():
        for fixture in (f"{server}_{suffix}" for suffix in fixtures.get(service, ())):
            if (other := owners.setdefault(fixture, server)) != server:
                guilty = server if server in servers else other
                raise _bad_name(project, guilty, f"{server!r} and {other!r} both give {fixture!r}")


def suggestion(name: str, known: Collection[str]) -> str:
    """Name the known word nearest to `name`, or all when none is near."""
    from difflib import get_close_matches

    if near := get_close_matches(name, known, n=1, cutoff=0.6):
        return f"did you mean {near[0]!r}?"
    return "known are " + ", ".join(sorted(known))


def _fault_of(name: str, services: Mapping[str, Sequence[str]]) -> str:
    if problem := name_fault(name):
        return problem
    if name in services:
        return "a service has that name"
    return ""


def name_fault(name: str) -> str:
    """Say why nothing of the kit can be called `name`; "" if it can be."""
    # Lower case without a trailing underscore: it becomes a host name and a variable as well.
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        return "it is no lower-case identifier"
    if name in RESERVED:
        return "the kit's own fixtures begin with it"
    return ""


def _bad_name(project: Project, name: str, problem: str) -> SettingError:
    return SettingError(
        f"a server cannot be called {name!r}",
        cause=problem,
        looked_at=f"{project.path}, table [tool.wflo-testkit.servers.{name}]",
        fix="rename that table: its name begins the names of the server's fixtures",
    )


def _table(server: str) -> str:
    return f"[tool.wflo-testkit.{SERVERS}.{server}]" if server else TABLE


def _as_table(value: Any, path: Path, table: str, key: str = "") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingError(
            f"{key or table} is not a table",
            cause=f"it is {value!r}",
            looked_at=f"{path}, table {table}",
            fix=f"write {f'[tool.wflo-testkit.{key}.NAME]' if key else TABLE} and the settings "
            "below it",
        )
    return value


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    import tomllib  # 15 ms, so not before there is something to read

    try:
        return tomllib.loads(content.decode())
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are both of this kind
        raise SettingError(
            "the project file cannot be read",
            cause=error,
            looked_at=str(path),
            fix="correct the file",
        ) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
