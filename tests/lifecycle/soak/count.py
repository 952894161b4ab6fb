"""What a soak has done and found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Count:
    """How often something was done, and a sentence per finding."""

    done: int = 0
    leaked: list[str] = field(default_factory=list)
    hurt: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        return self.leaked + self.hurt + self.crossed
