"""The answer to pytest's ScopeMismatch, where a fixture of the kit is asked for too widely."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from wflo_testkit.plugin.process import PROCESS

if TYPE_CHECKING:
    from wflo_testkit.plugin.process import PytestProcess

_SAID = re.compile(
    r"ScopeMismatch: You tried to access the (\w+) scoped fixture (\w+) with a (\w+) scoped request"
)
_ASKER = re.compile(r"^.*:\d+:  def (\w+)\(", re.MULTILINE)


def answer(config: pytest.Config, error: BaseException) -> None:
    """Add to a ScopeMismatch the lines that make the kit's fixture last as long as is asked for."""
    if not isinstance(error, pytest.fail.Exception) or "ScopeMismatch" not in str(error.msg):
        return
    message = str(error.msg)
    if (said := _SAID.search(message)) is None:
        return
    asked, scope = said[2], said[3]
    askers = _ASKER.findall(message[: message.find("Requested fixture:")])
    asker = askers[-1] if askers else "shared"
    if lines := _lines(config.stash[PROCESS], asked, scope, asker):
        error.msg = f"{message}\n\n{lines}"


def _lines(process: PytestProcess, asked: str, scope: str, asker: str) -> str:
    part = process.part(asked)
    if part is None or part.kind not in ("lease", "convenience"):
        return ""
    is_scoped = process.part(asker) is not None  # by this name pytest knows what `scoped` made
    stem = "shared" if is_scoped else asker
    own = f"{stem}_{part.suffix}"
    written = [f'{own} = scoped("{asked}", scope="{scope}")']
    if part.kind == "convenience":
        lease = f"{stem}_{part.needs[0].removeprefix(f'{part.server}_')}"
        written = [
            f'{lease} = scoped("{part.needs[0]}", scope="{scope}")',
            f'{own} = scoped("{asked}", scope="{scope}", on="{lease}")',
        ]
    code = "\n".join(f"    {line}" for line in ("from wflo_testkit import scoped", "", *written))
    takes = f'give the scoped `{asker}` on="{own}"' if is_scoped else f"let `{asker}` take `{own}`"
    return (
        f"wflo-testkit: `{asked}` is made anew for each test. For one that lasts for the {scope}, "
        f"write into the conftest.py\n\n{code}\n\n"
        f"and {takes}. Named `{asked}`, it would take that one's place for all "
        "tests of the folder."
    )
