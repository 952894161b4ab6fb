"""A schema made by a callable of the user's, which gets the database's URL."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from wflo_testkit.aio import run_in_new_loop
from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.project import Project

if TYPE_CHECKING:
    from wflo_testkit.services.postgres.schema.guard import Guard


class FunctionSchema:
    """Runs once per run, whatever it does: its content cannot be hashed.

    A callable may say more: with an attribute `fingerprint` (a string) it runs again only when
    that changes, or its own code, or what it read the last time.
    """

    def __init__(self, function: Callable[[str], Any], project: Project) -> None:
        self._function = function
        self._project = project
        given = getattr(function, "fingerprint", None)
        self._is_vouched_for = given is not None
        self._given = "" if given is None else f"given {given} "

    @property
    def fingerprint(self) -> str:
        return self._project.keys.key(self._identity) if self._is_vouched_for else self._identity

    @property
    def lasts(self) -> bool:
        """Only the callable itself can know what it depends on."""
        return self._is_vouched_for and self._project.keys.lasts(self._identity)

    def apply(self, url: str) -> None:
        """Call it with the libpq URI; a coroutine is run to its end in a loop of its own.

        Raises SchemaFailed, also where it was refused a connection to another database.
        """
        what, source = f"the schema callable {_name(self._function)}", _source(self._function)
        with self._project.guarded(url, what, source) as guard:
            try:
                with self._recorded(url, guard):
                    result = self._function(url)
                    if inspect.isgenerator(result) or inspect.isasyncgen(result):
                        raise TypeError("it yields, so nothing of it has run; let it return")
                    if inspect.isawaitable(result):
                        _run_to_its_end(result)
            except Exception as error:
                raise failed(f"{what} failed", error, looked_at=source) from error

    def remove(self, url: str) -> None:
        """Do nothing: how to undo a callable is not known. Its database is dropped."""

    @functools.cached_property
    def _identity(self) -> str:
        from wflo_testkit.services.postgres.schema.identity import identity

        told = identity(self._function, is_vouched_for=self._is_vouched_for)
        return hashlib.sha256(f"callable {self._given}{told}".encode()).hexdigest()

    @contextlib.contextmanager
    def _recorded(self, url: str, guard: Guard) -> Iterator[None]:
        """Record what it reads, where a later run may have what it makes."""
        if not self._is_vouched_for or self._project.keys.has_recorded(self._identity):
            yield
            return
        from wflo_testkit.services.postgres.schema.manifest import ANOTHER_DATABASE, Recorder

        recorder = Recorder(
            whole_process=False,
            start=_file(self._function),
            own_variables=self._project.variables(url),
            database=parse(url).server,
        )
        with recorder:
            yield
        if guard.has_left:
            recorder.cannot_keep(ANOTHER_DATABASE)
        self._project.keys.record(self._identity, recorder.manifest())


def _run_to_its_end(awaitable: Awaitable[Any]) -> None:
    """Wait in a thread of its own, where no event loop runs that the work could disturb."""

    async def waited_for() -> None:
        await awaitable

    with ThreadPoolExecutor(1, "wflo-schema") as thread:
        thread.submit(run_in_new_loop, waited_for()).result()


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"


def _source(function: Any) -> str:
    code = _code(function)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else _name(function)


def _file(function: Any) -> str:
    code = _code(function)
    return str(code.co_filename) if code else ""


def _code(function: Any) -> Any:
    """Return the code that runs, None where it is not Python's."""
    while isinstance(function, functools.partial):
        function = function.func
    inner = inspect.unwrap(function)
    if not inspect.isroutine(inner):
        inner = inspect.getattr_static(type(inner), "__call__", None)
    return getattr(inner, "__code__", None)
