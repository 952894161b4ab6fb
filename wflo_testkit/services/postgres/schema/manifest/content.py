"""A manifest: what a schema read, as plain data that can be compared with what is there now."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from wflo_testkit.services.postgres.schema.manifest import inputs
from wflo_testkit.services.postgres.schema.manifest.inputs import Stamp
from wflo_testkit.wait import clock

Names = tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the work on a schema read.

    files: path -> what was in it; None where it was absent or could not be read.
    folders: path -> the names in it; None where there was no such folder.
    distributions: the same for folders of sys.path in which installed packages were looked for.
    kinds: path -> whether a file, a folder or nothing was there, for what was only asked.
    variables: name -> keyed hash of the value; None where it was not set. Values are not kept:
        they may be secrets.
    environment: the names of all variables, where they were all read; else None.
    own_variables: names that the kit itself exports, which do not count.
    folder: where relative paths began, "" when none was used.
    incomplete: why it does not say all, "" when it does.
    """

    files: Mapping[str, Stamp | None] = field(default_factory=dict)
    folders: Mapping[str, Names] = field(default_factory=dict)
    distributions: Mapping[str, Names] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    environment: Names = None
    own_variables: tuple[str, ...] = ()
    folder: str = ""
    salt: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    incomplete: str = ""

    def is_current(self) -> bool:
        """Whether it says all, and all is still so. A stat for each file, a hash where they differ:
        400 files take 1.1 ms (measured)."""
        return not self.incomplete and self.is_unchanged()

    def is_unchanged(self) -> bool:
        """Whether all that it says is still so."""
        return next(self._changes(), None) is None

    def changed(self) -> list[str]:
        """Return what is no longer so, for people: paths and names of variables, sorted."""
        return sorted(set(self._changes()))

    def digest(self) -> str:
        """Return the hash of what all inputs hold now, equal in all processes that see the same."""
        now = (
            {path: self._sha256(path, known) for path, known in self.files.items()},
            {path: inputs.names(path) for path in self.folders},
            {path: inputs.distributions(path) for path in self.distributions},
            {path: inputs.kind(path) for path in self.kinds},
            {name: self._hashed(name) for name in self.variables},
            None if self.environment is None else self._environment(),
        )
        return hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave. Raises KeyError, TypeError, ValueError, AttributeError."""
        stamps = {path: Stamp(*given) if given else None for path, given in data["files"].items()}
        environment = data["environment"]
        return cls(
            files=stamps,
            folders=_folders(data["folders"]),
            distributions=_folders(data["distributions"]),
            kinds=dict(data["kinds"]),
            variables=dict(data["variables"]),
            environment=None if environment is None else tuple(environment),
            own_variables=tuple(data["own_variables"]),
            folder=str(data["folder"]),
            salt=str(data["salt"]),
            incomplete=str(data["incomplete"]),
        )

    def _changes(self) -> Iterator[str]:
        """Yield what is no longer so; what is cheap to tell comes first."""
        if self.folder and self.folder != _here():
            yield self.folder
        yield from (name for name, old in self.variables.items() if self._hashed(name) != old)
        if self.environment is not None:
            yield from sorted(set(self.environment) ^ set(self._environment()))
        yield from (path for path, old in self.kinds.items() if inputs.kind(path) != old)
        yield from (path for path, old in self.folders.items() if inputs.names(path) != old)
        found = self.distributions.items()
        yield from (path for path, old in found if inputs.distributions(path) != old)
        for path, known in self.files.items():
            if self._sha256(path, known) != (known and known.sha256):
                yield path

    def _sha256(self, path: str, known: Stamp | None) -> str | None:
        """Return the hash of what a file holds now; it is read only where stat leaves a doubt."""
        status = inputs.status_of(path)
        if status is None:
            return None
        if known is not None and known.fits(status):
            return known.sha256
        found = inputs.stamp(path, int(clock.wall() * 1e9))
        return found and found.sha256

    def _hashed(self, name: str) -> str | None:
        return inputs.hashed(name, os.environ.get(name), self.salt)

    def _environment(self) -> tuple[str, ...]:
        return counted(os.environ, self.own_variables)


def counted(environ: Mapping[str, str], own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the sorted names of the variables that count where all are read."""
    return tuple(sorted(n for n in environ if n not in own and not inputs.changes_by_itself(n)))


def _folders(data: Mapping[str, Any]) -> dict[str, Names]:
    return {path: None if given is None else tuple(given) for path, given in data.items()}


def _here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - the very text that abspath begins with
    except OSError:
        return ""
