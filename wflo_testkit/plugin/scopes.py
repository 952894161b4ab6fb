"""How long a lease or a convenience lasts, and what was asked of `scoped`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from wflo_testkit.errors import SettingError

if TYPE_CHECKING:
    from wflo_testkit.plugin.parts import Part

OF_PYTEST = ("function", "class", "module", "package", "session")
"""From the narrowest to the widest."""


class Lasts(NamedTuple):
    """How long a scope lasts: as one of pytest's; and whether all processes of the run share it."""

    scope: str
    is_shared: bool = False


SCOPES = {
    "function": Lasts("function"),
    "class": Lasts("class"),
    "module": Lasts("module"),
    "package": Lasts("package"),
    "session": Lasts("session"),
    "run": Lasts("session", is_shared=True),
}


@dataclass(slots=True, eq=False)
class Scoped:
    """What one call of `scoped` asked for.

    fixture: the kit's, whose like it is; part: what that is, None before it is known.
    inputs: values for inputs of the lease, in place of the fixtures that it would take.
    place: file and line of the call, by which the workers of a run know one from another.
    """

    fixture: str
    scope: str
    on: str
    loop_scope: str
    inputs: Mapping[str, Any]
    place: str
    part: Part | None = None

    @property
    def lasts(self) -> Lasts:
        """How long it does."""
        return SCOPES[self.scope]

    @property
    def text(self) -> str:
        """The call, for people."""
        on = f', on="{self.on}"' if self.on else ""
        return f'scoped("{self.fixture}", scope="{self.scope}"{on})'

    def refused(self, cause: str, fix: str) -> SettingError:
        """Return the error for what cannot be."""
        return SettingError(f"{self.text} cannot be", cause=cause, looked_at=self.place, fix=fix)

    def unknown(self, known: Iterable[str]) -> SettingError:
        """Return the error of a fixture that no server has. known: those that there are."""
        near = difflib.get_close_matches(self.fixture, known, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "name a lease or a convenience of the kit"
        return self.refused(f"the kit has no fixture {self.fixture!r}", fix)
