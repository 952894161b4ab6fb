"""What a schema has to know of the run and of the project that it is applied for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.keys import Keys

if TYPE_CHECKING:
    from wflo_testkit.errors import SchemaFailed
    from wflo_testkit.services.postgres.schema.guard import Guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """root: the project's folder. keys: of this run.

    connects_to: the setting `postgres_schema_connects_to`.
    variables: returns the user's variables for a database, given its URL.
    """

    root: Path = field(default_factory=Path.cwd)
    keys: Keys = field(default_factory=lambda: Keys("", None))
    connects_to: Sequence[str] = ()
    variables: Callable[[str], Mapping[str, str]] = lambda _url: {}

    @contextmanager
    def exported(self, url: str) -> Iterator[None]:
        """Have the user's variables in the environment of this process, with the address `url`."""
        variables = self.variables(url)
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, text in before.items():
                if text is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = text

    @contextmanager
    def guarded(self, url: str, what: str, looked_at: str) -> Iterator[Guard]:
        """Let this thread, and those that it starts, connect to `url` and what is allowed alone.

        Whatever runs meanwhile is code of the project's. what: whose; looked_at: where it stands.
        Raises SchemaFailed when a connection was refused, even if that code has swallowed it.
        """
        from wflo_testkit.services.postgres.schema.guard import Guard

        guard = Guard(url, connects_to=self.connects_to, root=self.root)
        with self.exported(url), guard:
            try:
                yield guard
            except Exception as error:
                if guard.refused:
                    raise refused(what, looked_at, **guard.refused[0].told()) from error
                raise
        if guard.refused:
            raise refused(what, looked_at, **guard.refused[0].told())


def refused(what: str, looked_at: str, *, address: str, origin: str, fix: str) -> SchemaFailed:
    """Return the error for a schema whose code asked for another database; see Elsewhere."""
    return failed(
        f"{what} was refused a connection to {address}",
        f"while a schema is applied, no database but the test's own is touched; {origin}",
        looked_at=looked_at,
        fix=fix,
    )
