"""What a declared lease contains: its table's words, looked up where the tests run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.run.importing import imported
from wflo_testkit.settings.leases import DeclaredLease


def inputs_of(lease: DeclaredLease, rootdir: Path) -> dict[str, Any]:
    """Return the lease's inputs: objects, and paths below `rootdir`. Raises SettingError."""
    return {
        name: [_value(lease, name, each, rootdir) for each in given]
        if isinstance(given, list)
        else _value(lease, name, given, rootdir)
        for name, given in lease.inputs.items()
    }


def _value(lease: DeclaredLease, name: str, text: str, rootdir: Path) -> Any:
    what = f"the {name} {text!r} of the lease {lease.name!r}"
    where = f"pyproject.toml, table {lease.table}"
    if _is_import_path(text):
        return imported(text, what, where)
    if not (path := rootdir / text).exists():
        raise SettingError(
            f"{what} is not to be had",
            cause=f"there is no {path}",
            looked_at=where,
            fix=f"write a path relative to {rootdir}",
        )
    return path


def _is_import_path(text: str) -> bool:
    """Say whether `text` is `module:attribute.path`, not a file."""
    module, colon, path = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in f"{module}.{path}".split("."))
