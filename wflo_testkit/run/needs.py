"""What a server refers to, or starts after: part of its spec, for the broker to start first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

from wflo_testkit import references
from wflo_testkit.errors import SettingError
from wflo_testkit.model import Spec
from wflo_testkit.settings.leases import DeclaredLease


def added(
    spec: Spec,
    known: Collection[str],
    leases: Mapping[str, DeclaredLease],
    spec_of: Callable[[str], Spec],
) -> Spec:
    """Return `spec` with the specs of all that it needs.

    known: the names of all servers. leases: those that the file declares; references to them stay
    in the texts. spec_of: tells what a server runs. One that needs what each process has to itself
    is for that process, too. Raises SettingError.
    """
    if not spec.keeps_ports:
        return spec
    after = spec.options.get("after", ())
    if unknown := [name for name in after if name not in known]:
        raise SettingError(
            f"{spec.name} is to start after {unknown[0]!r}, which is no server",
            looked_at=f"`after` of the server {spec.name!r}",
            fix="known are " + ", ".join(known),
        )
    named = references.names(spec, [*known, *leases])
    held = [leases[name] for name in named if name in leases]
    names = [name for name in named if name in known] + [each.server for each in held]
    needed = {name: spec_of(name) for name in dict.fromkeys([*names, *after])}
    is_ours = (
        spec.per_process
        or any(each.unique or each.per_process for each in needed.values())
        or any(each.scope == "worker" for each in held)
    )
    return dataclasses.replace(
        spec,
        needs={name: each.to_json() for name, each in needed.items()},
        per_process=is_ours,
    )


def leases_of(spec: Spec, leases: Mapping[str, DeclaredLease]) -> list[str]:
    """Return the declared leases to which `spec`, or what it needs, refers."""
    found = [name for name in references.found(spec) if name in leases]
    inner = (leases_of(Spec.from_json(need), leases) for need in spec.needs.values())
    return [*found, *(name for several in inner for name in several)]


def with_leases(
    spec: Spec, leases: Mapping[str, DeclaredLease], handle_of: Callable[[str], Any]
) -> Spec:
    """Return `spec` with what it, and what it needs, refer to of leases. Raises TestkitError."""
    if not leases_of(spec, leases):
        return spec
    handles = {name: handle_of(name) for name in references.found(spec) if name in leases}
    needed = {
        name: with_leases(Spec.from_json(need), leases, handle_of).to_json()
        for name, need in spec.needs.items()
    }
    return dataclasses.replace(references.filled(spec, handles), needs=needed)
