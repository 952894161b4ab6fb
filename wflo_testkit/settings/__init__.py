"""Settings: one table of options, read from four places, each value with its source."""

from wflo_testkit.settings.load import Setting, Settings
from wflo_testkit.settings.options import (
    GENERAL,
    common,
    every,
    flag,
    kinds,
    variable,
    words,
)
from wflo_testkit.settings.values import in_ci

__all__ = [
    "GENERAL",
    "Setting",
    "Settings",
    "common",
    "every",
    "flag",
    "in_ci",
    "kinds",
    "variable",
    "words",
]
