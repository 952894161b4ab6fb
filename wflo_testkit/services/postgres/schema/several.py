"""Several schemas, one after another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflo_testkit.services.postgres.schema import Schema


class Several:
    def __init__(self, schemas: Sequence[Schema]) -> None:
        self._schemas = schemas

    @property
    def fingerprint(self) -> str:
        """Depends on the order."""
        text = " ".join(schema.fingerprint for schema in self._schemas)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def lasts(self) -> bool:
        return all(schema.lasts for schema in self._schemas)

    def apply(self, url: str) -> None:
        for schema in self._schemas:
            schema.apply(url)

    def remove(self, url: str) -> None:
        for schema in reversed(self._schemas):
            schema.remove(url)
