"""Keeps the passwords that tests get from the kit out of what pytest reports of them.

A client that cannot connect, a compared URL, a local variable (`--showlocals`): pytest prints them
all, and its output is kept by CI services and sent around.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from wflo_testkit.model import Json

MASK = "***"
LONG = 12
"""Characters from which on a password is masked wherever it stands. A shorter one may well be a
word of the test's own ("admin"), and is masked only where it can be nothing else."""
RECENT = 100
"""Leases whose passwords are remembered: many more than one test holds."""
_BEFORE = (r"password=", r"password='", r"password = '", r"password': '", r'password="')


class Passwords:
    """Those that this process has met: of all servers, and of the last leases."""

    def __init__(self) -> None:
        self._of_servers: set[str] = set()
        self._of_leases: deque[str] = deque(maxlen=RECENT)

    def __reduce__(self) -> tuple[type[Passwords], tuple[()]]:
        return Passwords, ()  # in another process there is no report to mask

    def learn_of_server(self, told: Mapping[str, Json]) -> None:
        """Note what a server's data hold."""
        self._of_servers |= _passwords_in(told)

    def learn_of_secrets(self, secrets: Mapping[str, str]) -> None:
        """Note the texts of a container's secrets, by line: so reports quote them."""
        lines = (line.strip() for text in secrets.values() for line in text.splitlines())
        self._of_servers |= {line for line in lines if line}

    def learn_of_lease(self, told: Mapping[str, Json]) -> None:
        """Note what the data of a lease, or of a build, hold."""
        self._of_leases.extend(_passwords_in(told))

    def mask(self, text: str) -> str:
        """Return `text` with `***` for each password."""
        for password in sorted({*self._of_servers, *self._of_leases}, key=len, reverse=True):
            text = _without(password, text)
        return text

    def masked(self, config: pytest.Config, report: pytest.TestReport) -> pytest.TestReport:
        """Return the report without passwords: the same one if it has none."""
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


def _passwords_in(told: Mapping[str, Json]) -> set[str]:
    """Return what stands under that name, and what the URLs hold."""
    urls = (each for each in told.values() if isinstance(each, str) and "://" in each)
    return {str(told.get("password") or ""), *map(_password_of, urls)} - {""}


def _password_of(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:  # it only looks like one
        return ""


def _without(password: str, text: str) -> str:
    """Mask the password as it is, and as it is written in a URL."""
    for form in _forms(password):
        if form in text:  # rarely: so nothing else is done for what is not there
            text = text.replace(form, MASK) if len(password) >= LONG else _plainly(form, text)
    return text


@lru_cache(2 * RECENT)
def _forms(password: str) -> frozenset[str]:
    return frozenset((password, quote(password, safe="")))


def _plainly(form: str, text: str) -> str:
    """Mask a short password where it can be nothing else."""
    word = re.escape(form)
    named = "|".join(f"(?<={before}){word}" for before in _BEFORE)
    return re.sub(f"(?<=:){word}(?=@)|{named}", MASK, text)


def _mapped(data: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with every text in it changed; what is no plain data stays."""
    if isinstance(data, str):
        return change(data)
    if type(data) in (list, tuple):
        return type(data)(_mapped(each, change) for each in data)
    if type(data) is dict:
        return {key: _mapped(value, change) for key, value in data.items()}
    return data
