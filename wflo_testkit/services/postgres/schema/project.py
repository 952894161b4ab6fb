"""What a schema has to know of the run and of the project that it is applied for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wflo_testkit.services.postgres.schema.keys import Keys


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
