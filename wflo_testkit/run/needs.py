"""What a server refers to, or starts after: part of its spec, for the broker to start first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

from wflo_testkit import references
from wflo_testkit.errors import SettingError
from wflo_testkit.model import Spec


def added(spec: Spec, known: Collection[str], spec_of: Callable[[str], Spec]) -> Spec:
    """Return `spec` with the specs of all that it needs.

    known: the names of all servers. spec_of: tells what one of them runs. One that needs what
    each process has to itself is for that process, too. Raises SettingError.
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
    names = dict.fromkeys([*references.names(spec, known), *after])
    needed = {name: spec_of(name) for name in names}
    is_ours = spec.per_process or any(each.unique or each.per_process for each in needed.values())
    return dataclasses.replace(
        spec,
        needs={name: each.to_json() for name, each in needed.items()},
        per_process=is_ours,
    )
