"""Joins the four places a setting can come from, weakest first, and remembers which one won."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from wflo_testkit.errors import SettingError
from wflo_testkit.outline import CONTAINER
from wflo_testkit.service import Option, Service
from wflo_testkit.settings import leases as lease_tables
from wflo_testkit.settings import project as project_file
from wflo_testkit.settings.leases import DeclaredLease, Kinds
from wflo_testkit.settings.options import PREFIX, flag, variable, words
from wflo_testkit.settings.project import Project
from wflo_testkit.settings.values import checked, from_text, in_ci

PLACES = ("default", project_file.FILE, "environment", "command line")
"""How a source begins, weakest first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and, for people, where it was set."""

    value: Any = field(repr=False)
    source: str


class Settings:
    """The settings of one run: `settings["postgres_image"]`.

    servers: extra server -> service. leases: those that the file declares, by name.
    warnings: one sentence per variable that nobody knows.
    """

    def __init__(
        self,
        values: Mapping[str, Setting],
        services: Mapping[str, Sequence[str]],
        servers: Mapping[str, str],
        own: Mapping[str, Mapping[str, Setting]],
        warnings: list[str],
        leases: Mapping[str, DeclaredLease],
    ) -> None:
        self._values = values
        self._services = services
        self._own = own
        self._effective: dict[str, Mapping[str, Any]] = {}
        self.servers = servers
        self.warnings = warnings
        self.leases = leases

    @classmethod
    def load(
        cls,
        options: Sequence[Option],
        services: Mapping[str, Sequence[str]],
        *,
        rootdir: Path,
        environ: Mapping[str, str],
        command_line: Mapping[str, Any],
        fixtures: Mapping[str, Sequence[str]] = MappingProxyType({}),
        container: Service | None = None,
        kinds: Kinds | None = None,
    ) -> Self:
        """Read every setting.

        services: service -> its settings' names without prefix; `options` has each of them as
            "<service>_<name>".
        rootdir: folder of pyproject.toml. command_line: key -> value, None when not given.
        fixtures: service -> suffixes of its fixtures, to refuse servers whose fixtures collide.
        container: the row of a server that names no service; None where each has to.
        kinds: what the file may declare leases of.
        An empty variable counts as not set. Raises SettingError.
        """
        project = project_file.read(rootdir)
        known = [*(o.key for o in options), project_file.SERVERS, project_file.LEASES]
        project_file.refuse_unknown(project, known)
        if container is not None:
            options = [*options, *container.options]
            services = {**services, **words({CONTAINER: container})}
        table = {option.key: option for option in options}
        servers = _servers(project, services)
        project_file.refuse_bad_names(project, servers, services, fixtures)
        every = {name: name for name in services if name != CONTAINER} | servers
        taken = {f"{name}_{end}" for name, of in every.items() for end in fixtures.get(of, ())}
        leases = lease_tables.declared(project, every, kinds or {}, taken)
        values = {o.key: _value(o, project, environ, command_line) for o in options}
        _decide_reuse(values, environ)
        hints = container.hints if container is not None else {}
        own = {
            name: _own_values(name, services[service], service, table, project, environ, hints)
            for name, service in servers.items()
        }
        warnings = _warnings(environ, _variables(table, servers, services))
        return cls(values, services, servers, own, warnings, leases)

    def __getitem__(self, key: str) -> Any:
        return self._values[key].value

    def source(self, key: str) -> str:
        """Say where the setting's value comes from."""
        return self._values[key].source

    def changed(self) -> dict[str, str]:
        """Return key -> source of every setting that is not at its default."""
        return {key: s.source for key, s in self._values.items() if s.source != PLACES[0]}

    def server(self, name: str) -> Mapping[str, Any]:
        """Return the effective settings of the server `name`, without the service's prefix.

        What is set for the whole service, then what is set for this server alone. Each test asks.
        """
        if name not in self._effective:
            service = self.servers.get(name, name)
            found = {word: self._values[f"{service}_{word}"] for word in self._services[service]}
            found |= self._own.get(name, {})
            self._effective[name] = {word: setting.value for word, setting in found.items()}
        return self._effective[name]


def _value(
    option: Option, project: Project, environ: Mapping[str, str], command_line: Mapping[str, Any]
) -> Setting:
    given = command_line.get(option.key)
    if given is not None:
        source = f"command line: {flag(option.key)}"
        read = from_text if isinstance(given, str) else checked
        return Setting(read(option, given, source), source)
    names = (variable(option.key), *option.variables)
    if (found := _from_environment(option, names, environ)) is not None:
        return found
    if option.key in project.values:
        source = project.source(option.key)
        return Setting(checked(option, project.values[option.key], source), source)
    return Setting(copy(option.default), PLACES[0])


def _from_environment(
    option: Option, names: Sequence[str], environ: Mapping[str, str]
) -> Setting | None:
    for name in names if option.in_environment else ():
        if text := environ.get(name, ""):
            source = f"environment: {name}"
            return Setting(from_text(option, text, source), source)
    return None


def _decide_reuse(values: dict[str, Setting], environ: Mapping[str, str]) -> None:
    """Let `fresh` win over a `reuse` no stronger than it, and CI over one that nobody typed."""
    reuse, fresh = values.get("reuse"), values.get("fresh")
    if reuse is None or not reuse.value:
        return
    if fresh is not None and fresh.value and _rank(fresh) >= _rank(reuse):
        values["reuse"] = Setting(False, fresh.source)
    elif in_ci(environ) and _rank(reuse) < PLACES.index("command line"):
        values["reuse"] = Setting(False, f"environment: CI (it overrules {reuse.source})")


def _rank(setting: Setting) -> int:
    return PLACES.index(setting.source.partition(":")[0])


def _servers(project: Project, services: Mapping[str, Sequence[str]]) -> dict[str, str]:
    servers = {}
    for name, own in project.servers.items():
        service = own.get("service", CONTAINER if CONTAINER in services else None)
        if not isinstance(service, str) or service not in services:
            raise SettingError(
                f"the server {name!r} names no service"
                if service is None
                else f"the server {name!r} is of an unknown service {service!r}",
                looked_at=f"{project.path}, {project.source('service', name).partition(': ')[2]}",
                fix=project_file.suggestion(str(service), services),
            )
        servers[name] = service
    return servers


def _own_values(
    name: str,
    own_words: Sequence[str],
    service: str,
    table: Mapping[str, Option],
    project: Project,
    environ: Mapping[str, str],
    hints: Mapping[str, str],
) -> dict[str, Setting]:
    """Return what is set for one extra server alone: its table, then WFLO_TESTKIT_<NAME>_<WORD>."""
    hints = hints if service == CONTAINER else {}
    project_file.refuse_unknown(project, ["service", *own_words], name, hints)
    found = {}
    for word in own_words:
        option = table[f"{service}_{word}"]
        if word in project.servers[name]:
            source = project.source(word, name)
            found[word] = Setting(checked(option, project.servers[name][word], source), source)
        setting = _from_environment(option, [variable(f"{name}_{word}")], environ)
        if setting is not None:
            found[word] = setting
    if service == CONTAINER:  # its paths are relative to the project
        found["root"] = Setting(str(project.path.parent.absolute()), PLACES[0])
    return found


def _variables(
    table: Mapping[str, Option], servers: Mapping[str, str], services: Mapping[str, Sequence[str]]
) -> dict[str, Option]:
    """Return each variable that a setting could have, those that stand in the file only too."""
    return {variable(key): option for key, option in table.items()} | {
        variable(f"{name}_{word}"): table[f"{service}_{word}"]
        for name, service in servers.items()
        for word in services[service]
    }


def _warnings(environ: Mapping[str, str], options: Mapping[str, Option]) -> list[str]:
    known = [name for name, option in options.items() if option.in_environment]
    unknown = sorted(n for n in environ if n.startswith(PREFIX) and n not in known)
    return [
        f"the environment variable {name} sets nothing: "
        + (
            f"that setting stands in {project_file.FILE} only"
            if name in options
            else project_file.suggestion(name, known)
        )
        for name in unknown
    ]
