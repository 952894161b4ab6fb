"""The errors of the kit: what failed, why, where it looked, what to do."""

from __future__ import annotations

import re
from typing import Self

_CREDENTIALS = re.compile(r"(?<=://)([^\s'\"/@:]*):(?!password@)[^\s'\"/]*@")
"""But for `user:password@`, as remedies write it."""


class TestkitError(Exception):
    """Base of every error that the kit raises on purpose.

    what: one sentence that names the thing and what failed.
    cause: the last error or observation behind it.
    looked_at: the socket, address, file or setting that was tried, and where it was set.
    fix: what the reader can do.
    A password in a URL is left out of all four, whoever's words they are.
    """

    __test__ = False  # the name starts with "Test"; pytest must not collect it

    def __init__(
        self,
        what: str,
        *,
        cause: str | BaseException | None = None,
        looked_at: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.what = without_passwords(what)
        self.cause = _masked(_one_line(cause))
        self.looked_at = _masked(looked_at)
        self.fix = _masked(fix)
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The whole message, one labelled line for each part that is known."""
        rows = (("cause", self.cause), ("looked at", self.looked_at), ("to fix", self.fix))
        lines = [f"  {label + ':':<11}{_indented(value)}" for label, value in rows if value]
        return "\n".join([self.what, *lines])


class SettingError(TestkitError):
    """A setting has an unknown name or a value that cannot be used."""


class DockerUnavailable(TestkitError):
    """No Docker daemon answers."""


class ImageUnavailable(TestkitError):
    """An image is not here and could not be pulled."""


class StartFailed(TestkitError):
    """A container exited, ran out of memory, or was not ready in time."""


class ServiceUnavailable(TestkitError):
    """An external service does not answer, or does not grant what a test needs."""


class IsolationFailed(TestkitError):
    """A test's private part could not be made or given back."""


class SchemaFailed(TestkitError):
    """The schema that a test asked for could not be applied."""


class MissingExtra(TestkitError):
    """A client library that a fixture needs is not installed."""

    @classmethod
    def of(cls, what: str, library: str, extra: str, cause: BaseException) -> Self:
        """Return the error of `what`, which needs `library` from wflo-testkit's extra `extra`."""
        return cls(
            f"{what} needs {library}, which is not installed",
            cause=cause,
            fix=f"pip install 'wflo-testkit[{extra}]'",
        )


class LeftoverFound(TestkitError):
    """A test left something open, and the setting `leftovers` makes that an error."""


class LeftoverWarning(UserWarning):
    """A test ended and something of it was still open; the kit has closed it.

    Usual causes: a client, session or consumer that was never closed, a transaction that was
    never ended, a workflow that nobody waited for.
    """


class BrokerLost(TestkitError):
    """The process that owns the containers is gone."""


_KINDS: tuple[type[TestkitError], ...] = (TestkitError, *TestkitError.__subclasses__())
KINDS: dict[str, type[TestkitError]] = {kind.__name__: kind for kind in _KINDS}


def to_json(error: BaseException) -> dict[str, str | None]:
    """Describe `error` as plain data, so that another process can raise it again."""
    if not isinstance(error, TestkitError):
        error = TestkitError(f"unexpected {type(error).__name__}", cause=str(error))
    kind = type(error).__name__
    return {
        "kind": kind if kind in KINDS else "TestkitError",
        "what": error.what,
        "cause": error.cause,
        "looked_at": error.looked_at,
        "fix": error.fix,
    }


def from_json(data: dict[str, str | None]) -> TestkitError:
    """Rebuild the error that `to_json` described."""
    kind = KINDS.get(data.get("kind") or "", TestkitError)
    return kind(
        data.get("what") or "unknown error",
        cause=data.get("cause"),
        looked_at=data.get("looked_at"),
        fix=data.get("fix"),
    )


def without_passwords(text: str) -> str:
    """Return `text` with the password of each URL in it replaced by `***`."""
    return _CREDENTIALS.sub(r"\1:***@", text)


def _masked(text: str | None) -> str | None:
    return None if text is None else without_passwords(text)


def _one_line(cause: str | BaseException | None) -> str | None:
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}: {cause}".strip()
    return cause


def _indented(value: str) -> str:
    return value.rstrip().replace("\n", "\n" + " " * 13)
