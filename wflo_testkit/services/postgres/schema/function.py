"""A schema made by a callable of the user's, which gets the database's URL."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from wflo_testkit.aio import run_in_new_loop
from wflo_testkit.services.postgres.schema import failed

_seen: dict[int, Any] = {}
"""Callables that are known by their id alone: held, so that an id stays theirs."""


class FunctionSchema:
    """Runs once per run, whatever it does: its content cannot be hashed.

    A callable may say more: with an attribute `fingerprint` (a string) it runs again only when
    that changes.
    """

    def __init__(self, function: Callable[[str], Any]) -> None:
        self._function = function

    @property
    def fingerprint(self) -> str:
        given = getattr(self._function, "fingerprint", None)
        text = f"given {given}" if given is not None else _identity(self._function)
        return hashlib.sha256(f"callable {text}".encode()).hexdigest()

    @property
    def lasts(self) -> bool:
        """Only the callable itself can know what it depends on."""
        return getattr(self._function, "fingerprint", None) is not None

    def apply(self, url: str) -> None:
        """Call it with the libpq URI; a coroutine is run to its end in a loop of its own."""
        try:
            result = self._function(url)
            if inspect.isawaitable(result):
                _run(result)
        except Exception as error:
            raise failed(
                f"the schema callable {_name(self._function)} failed",
                error,
                looked_at=_source(self._function),
            ) from error

    def remove(self, url: str) -> None:
        """Do nothing: how to undo a callable is not known. Its database is dropped."""


def _identity(function: Any) -> str:
    """Name a callable so that workers agree on it where they can.

    Two closures of one function differ by what they hold; an object counts for this process.
    """
    if isinstance(function, functools.partial):
        return f"partial {_identity(function.func)} {function.args!r} {function.keywords!r}"
    if inspect.isfunction(function):
        held = [cell.cell_contents for cell in function.__closure__ or ()]
        code = function.__code__
        return (
            f"{_name(function)} {code.co_code.hex()} {code.co_names!r} {_constants(code)!r}"
            f" {function.__defaults__!r} {held!r}"
        )
    _seen[id(function)] = function
    return f"{_name(function)} {os.getpid()} {id(function)}"


def _constants(code: Any) -> list[Any]:
    """Return the constants; inner code by its bytes, since its repr holds an address."""
    return [
        (each.co_code.hex(), _constants(each)) if inspect.iscode(each) else each
        for each in code.co_consts
    ]


def _run(awaitable: Awaitable[Any]) -> None:
    """Await in a thread of its own: this one may have a running loop."""

    async def wait() -> None:
        await awaitable

    failure: list[BaseException] = []

    def work() -> None:
        try:
            run_in_new_loop(wait())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, name="wflo-schema")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"


def _source(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else _name(function)
