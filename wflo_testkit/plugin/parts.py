"""What a fixture of the kit is, by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wflo_testkit.outline import Fixture


class Part(NamedTuple):
    """A fixture of the kit: of which server, and what of it; see outline.Fixture.

    needs: the fixtures that it takes.
    """

    server: str
    suffix: str
    kind: str
    needs: tuple[str, ...]
    doc: str


def find_part(
    fixture: str, servers: Mapping[str, str], fixtures: Mapping[str, Sequence[Fixture]]
) -> Part | None:
    """Return what the kit's fixture of that name is; None if there is none."""
    for server, service in servers.items():
        if fixture.startswith(server):
            for suffix, kind, needs, doc in fixtures[service]:
                if fixture == f"{server}_{suffix}":
                    taken = tuple(f"{server}_{each}" for each in needs)
                    return Part(server, suffix, kind, taken, doc)
    return None
