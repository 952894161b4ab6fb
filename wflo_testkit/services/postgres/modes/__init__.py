"""The isolation modes, one per file; a new one is a file and a line here."""

from __future__ import annotations

from wflo_testkit.services.postgres.mode_context import Mode, ModeContext
from wflo_testkit.services.postgres.modes.create import CreateMode
from wflo_testkit.services.postgres.modes.database import DatabaseMode
from wflo_testkit.services.postgres.modes.rollback import RollbackMode
from wflo_testkit.services.postgres.modes.schema import SchemaMode


def all_modes(context: ModeContext) -> dict[str, Mode]:
    """Return every mode by its name in `postgres_isolation`, the default first."""
    kinds = (DatabaseMode, RollbackMode, SchemaMode, CreateMode)
    return {each.name: each for each in (kind(context) for kind in kinds)}
