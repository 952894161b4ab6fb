"""Imports kafka-python so that it works in a suite whose warnings are errors."""

from __future__ import annotations

import sys
import threading

_LOCK = threading.Lock()


def load() -> None:
    """Import kafka-python with its admin client. Raises ModuleNotFoundError without it.

    The library reads its message schemas by importlib.resources.read_text, which warns on Python
    3.11 and 3.12, so that under `-W error` it cannot be imported. Ignoring the warning would not
    do: filters belong to the whole process, pytest resets them, and this may run in any thread.
    So the function's successor stands in for it while the import lasts.
    """
    if "kafka.admin" in sys.modules:
        return
    import importlib.resources as resources

    with _LOCK:
        original = resources.read_text
        resources.read_text = _read_text  # type: ignore[assignment]  # called with two names
        try:
            import kafka.admin  # noqa: F401
        finally:
            resources.read_text = original


def _read_text(package: str, name: str) -> str:
    from importlib.resources import files

    return files(package).joinpath(name).read_text(encoding="utf-8")
