"""One container that has been started, as the conditions of its readiness see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wflo_testkit.runtime.inspection import Inspection
from wflo_testkit.runtime.running import Running, State


@dataclass(frozen=True, slots=True)
class Watched:
    """A readiness.Container."""

    inspection: Inspection
    running: Running

    @property
    def host(self) -> str:
        return self.running.host

    @property
    def ports(self) -> Mapping[str, int]:
        return self.running.ports

    @property
    def image(self) -> str:
        return self.running.image

    def output(self) -> str:
        return self.inspection.output_of_this_start(self.running.id)

    def execute(self, command: list[str]) -> tuple[int, str]:
        return self.inspection.execute(self.running.id, command)

    def health(self) -> Mapping[str, Any] | None:
        return self.inspection.health(self.running.id)

    def state(self) -> State:
        return self.inspection.state(self.running.id)
