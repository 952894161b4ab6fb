"""The command line's options, one for each row of the table of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import services, settings
from wflo_testkit.errors import TestkitError

if TYPE_CHECKING:
    from wflo_testkit.service import Option, Service


def add_options(parser: pytest.Parser) -> None:
    """Register `--wflo-<key>` for every setting that the command line may give."""
    try:
        table = services.table()
    except TestkitError as error:
        raise pytest.UsageError(error.text) from None
    group = parser.getgroup("wflo-testkit", "wflo-testkit: real services in containers")
    for option in settings.every(table):
        if option.on_command_line:
            _add(group, option)


def given(config: pytest.Config, table: Mapping[str, Service]) -> dict[str, Any]:
    """Return key -> value of the options that this command line gave."""
    found = {}
    for option in settings.every(table):
        if (value := getattr(config.option, _dest(option), None)) is not None:
            found[option.key] = value
    return found


def _add(group: pytest.OptionGroup, option: Option) -> None:
    flag = "--wflo-" + option.key.replace("_", "-")
    if isinstance(option.default, bool):
        group.addoption(
            flag, dest=_dest(option), action="store_const", const=True, help=option.help
        )
        return
    group.addoption(
        flag,
        dest=_dest(option),
        default=None,
        metavar=option.key.rpartition("_")[2].upper(),
        help=option.help,
    )


def _dest(option: Option) -> str:
    return f"wflo_{option.key}"
