"""Which names a project may give to servers of its own."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

from wflo_testkit.errors import SettingError
from wflo_testkit.settings.project import Project

RESERVED = ("wflo",)
"""Prefixes of the kit's other fixtures."""


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
        if problem := _problem(name, services):
            raise _refused(project, name, problem)
    owners: dict[str, str] = {}
    for server, service in ({name: name for name in services} | dict(servers)).items():
        for fixture in (f"{server}_{suffix}" for suffix in fixtures.get(service, ())):
            if (other := owners.setdefault(fixture, server)) != server:
                guilty = server if server in servers else other
                raise _refused(project, guilty, f"{server!r} and {other!r} both give {fixture!r}")


def _problem(name: str, services: Mapping[str, Sequence[str]]) -> str:
    # Lower case without a trailing underscore: it becomes a host name and a variable as well.
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        return "it is no lower-case identifier"
    if name in services:
        return "a service has that name"
    if name in RESERVED:
        return "the kit's own fixtures begin with it"
    return ""


def _refused(project: Project, name: str, problem: str) -> SettingError:
    return SettingError(
        f"a server cannot be called {name!r}",
        cause=problem,
        looked_at=f"{project.path}, table [tool.wflo-testkit.servers.{name}]",
        fix="rename that table: its name begins the names of the server's fixtures",
    )
