"""What a project's file names by `module:name`, imported where the tests run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from wflo_testkit.errors import SettingError


def imported(path: str, what: str, where: str) -> Any:
    """Return what `module:name.of.it` names. Raises SettingError, with whatever the import raised.

    what: such as "the fill 'shop:fill' of gateway", where: the table, for people.
    """
    home, _, name = path.partition(":")
    try:
        found: Any = import_module(home)
        for word in name.split("."):
            found = getattr(found, word)
    except Exception as error:
        raise SettingError(
            f"{what} is not to be had",
            cause=error,
            looked_at=where,
            fix="correct it; where only the module is not found, install the project, or write "
            'pythonpath = ["."] into [tool.pytest.ini_options]',
        ) from error
    return found
