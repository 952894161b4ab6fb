"""Keeps the passwords that tests get from the kit out of what pytest reports of them.

A client that cannot connect, a compared URL, a local variable (`--showlocals`): pytest prints them
all, and its output is kept by CI services and sent around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from wflo_testkit.model import Json

MASK = "***"
LONG = 12
"""Characters from which on a password is masked wherever it stands. A shorter one may well be a
word of the test's own ("postgres"), and is masked only where it can be nothing else."""
_BEFORE = (r"password=", r"password='", r"password = '", r"password': '", r'password="')


class Passwords:
    """Those that this process has met."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, told: Mapping[str, Json]) -> None:
        """Note what a server's or a lease's data hold: under that name, and in URLs."""
        found = {str(told["password"])} if told.get("password") else set()
        for value in told.values():
            if isinstance(value, str) and "://" in value:
                found.add(urlsplit(value).password or "")
        new = found - self._known - {""}
        if new:
            self._known |= new
            self._pattern = None

    def mask(self, text: str) -> str:
        """Return `text` with `***` for each password."""
        if not self._known:
            return text
        if self._pattern is None:
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_anywhere_it_is_one, longest_first)))
        return self._pattern.sub(MASK, text)

    def masked(self, config: pytest.Config, report: pytest.TestReport) -> pytest.TestReport:
        """Return the report without passwords: the same one if it has none."""
        if not self._known:
            return report
        report.sections = [(title, self.mask(text)) for title, text in report.sections]
        if not report.longrepr:
            return report
        hook = config.hook
        data = hook.pytest_report_to_serializable(config=config, report=report)
        clean = _mapped(data, self.mask)
        if clean == data:
            return report
        rebuilt = hook.pytest_report_from_serializable(config=config, data=clean)
        return rebuilt if isinstance(rebuilt, pytest.TestReport) else report


def _anywhere_it_is_one(password: str) -> str:
    """Return a pattern of the password as it is, and as it is written in a URL."""
    forms = "|".join(re.escape(form) for form in {password, quote(password, safe="")})
    if len(password) >= LONG:
        return forms
    named = "|".join(f"(?<={before})(?:{forms})" for before in _BEFORE)
    return f"(?<=:)(?:{forms})(?=@)|{named}"


def _mapped(data: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with every text in it changed; what is no plain data stays."""
    if isinstance(data, str):
        return change(data)
    if type(data) in (list, tuple):
        return type(data)(_mapped(each, change) for each in data)
    if type(data) is dict:
        return {key: _mapped(value, change) for key, value in data.items()}
    return data
