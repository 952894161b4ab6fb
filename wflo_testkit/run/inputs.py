"""What a declared lease contains: its table's words, looked up where the tests run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from wflo_testkit.errors import SettingError
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
    if _is_import_path(text):
        return _imported(lease, name, text)
    if not (path := rootdir / text).exists():
        raise _refused(
            lease, name, text, f"there is no {path}", f"write a path relative to {rootdir}"
        )
    return path


def _is_import_path(text: str) -> bool:
    """Say whether `text` is `module:attribute.path`, not a file."""
    module, colon, path = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in f"{module}.{path}".split("."))


def _imported(lease: DeclaredLease, name: str, text: str) -> Any:
    module, _, path = text.partition(":")
    try:
        found: Any = import_module(module)
        for word in path.split("."):
            found = getattr(found, word)
    except Exception as error:
        raise _refused(
            lease,
            name,
            text,
            f"{type(error).__name__}: {error}",
            "correct it; where only the module is not found, install the project, or write "
            'pythonpath = ["."] into [tool.pytest.ini_options]',
        ) from error
    return found


def _refused(lease: DeclaredLease, name: str, text: str, cause: str, fix: str) -> SettingError:
    return SettingError(
        f"the {name} {text!r} of the lease {lease.name!r} is not to be had",
        cause=cause,
        looked_at=f"pyproject.toml, table {lease.table}",
        fix=fix,
    )
