"""The leases that a project's file declares by name: `[tool.wflo-testkit.leases.<name>]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.settings.project import LEASES, RESERVED, Project, name_fault, suggestion

SCOPES = ("worker", "run")
"""How many there are: one per process that runs tests, which is the default, or one per run."""
Kinds = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Service -> its kinds of leases -> the inputs that each takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLease:
    """One table: which kind of lease on which server, and what it contains.

    inputs: a service's input -> an import path or a file, or a list of these; see run/inputs.py.
    """

    name: str
    server: str
    kind: str
    scope: str = SCOPES[0]
    inputs: Mapping[str, str | list[str]] = field(default_factory=dict)

    @property
    def of(self) -> str:
        """The fixture whose like it is."""
        return f"{self.server}_{self.kind}"

    @property
    def table(self) -> str:
        """Where it stands, for people."""
        return f"[tool.wflo-testkit.{LEASES}.{self.name}]"

    def to_json(self) -> dict[str, Any]:
        return {"of": self.of, "scope": self.scope, **self.inputs}


def declared(
    project: Project, servers: Mapping[str, str], kinds: Kinds, fixtures: set[str]
) -> dict[str, DeclaredLease]:
    """Return the file's leases by name. Raises SettingError for the first that cannot be.

    servers: every server -> service. fixtures: the names that are taken by the kit's own.
    """
    known = {
        f"{server}_{kind}": (server, kind, inputs)
        for server, service in servers.items()
        for kind, inputs in kinds.get(service, {}).items()
    }
    found = {}
    for name, own in project.leases.items():
        if problem := _fault_of(name, servers, fixtures):
            raise _refused(
                project, name, f"a lease cannot be called {name!r}", problem, "rename it"
            )
        found[name] = _lease(project, name, own, known)
    return found


def _fault_of(name: str, servers: Mapping[str, str], fixtures: set[str]) -> str:
    if name in servers:
        return "a server has that name"
    if name in fixtures:
        return "a fixture of the kit has that name"
    if name.partition("_")[0] in RESERVED:
        return "the kit's own fixtures begin with it"
    return name_fault(name)


def _lease(
    project: Project,
    name: str,
    own: Mapping[str, Any],
    known: Mapping[str, tuple[str, str, tuple[str, ...]]],
) -> DeclaredLease:
    of = own.get("of")
    if not isinstance(of, str) or of not in known:
        what = "names no lease" if of is None else f"is of {of!r}, which is no lease"
        fix = f"write `of`: {suggestion(str(of), known)}"
        raise _refused(project, name, f"the lease {name!r} {what}", None, fix)
    server, kind, inputs = known[of]
    words = ("of", "scope", *inputs)
    for key in own:
        if key not in words:
            fix = suggestion(key, words)
            raise _refused(project, name, f"unknown setting {key!r}", None, fix)
    scope = own.get("scope", SCOPES[0])
    if scope not in SCOPES:
        what = f"the scope of the lease {name!r} cannot be {scope!r}"
        raise _refused(project, name, what, None, f"write one of {', '.join(SCOPES)}")
    given = {key: _checked(project, name, key, own[key]) for key in inputs if key in own}
    return DeclaredLease(name=name, server=server, kind=kind, scope=scope, inputs=given)


def _checked(project: Project, name: str, key: str, value: Any) -> str | list[str]:
    parts = value if isinstance(value, list) else [value]
    if parts and all(isinstance(each, str) and each for each in parts):
        return value  # type: ignore[no-any-return]
    raise _refused(
        project,
        name,
        f"the {key} of the lease {name!r} cannot be {value!r}",
        "it is neither a text nor a list of texts",
        'write an import path ("shop.models:Base.metadata"), a file, or a list of these',
    )


def _refused(project: Project, name: str, what: str, cause: str | None, fix: str) -> SettingError:
    where = f"{project.path}, table [tool.wflo-testkit.{LEASES}.{name}]"
    return SettingError(what, cause=cause, looked_at=where, fix=fix)
