"""What a test's database contains: whatever the fixture `postgres_schema` returns."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from wflo_testkit.errors import SchemaFailed
from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.project import Project
from wflo_testkit.services.postgres.schema.tables import is_metadata

_OF_ALEMBIC = (".ini", ".cfg", ".conf", ".toml")


class Schema(Protocol):
    """Something that fills an empty database, the same way every time."""

    @property
    def fingerprint(self) -> str:
        """Hash of the content: equal for equal schemas, in every process of the run."""

    @property
    def lasts(self) -> bool:
        """Whether the fingerprint says all, so that the schema need not be applied in each run."""

    def apply(self, url: str) -> None:
        """Fill the database at `url` (libpq URI). Raises SchemaFailed."""

    def remove(self, url: str) -> None:
        """Take away again what `apply` made, as far as the kind of schema knows how."""


class Several:
    """Several schemas, one after another."""

    def __init__(self, schemas: Sequence[Schema]) -> None:
        self._schemas = schemas

    @property
    def fingerprint(self) -> str:
        """Depends on the order."""
        text = " ".join(schema.fingerprint for schema in self._schemas)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def lasts(self) -> bool:
        return all(schema.lasts for schema in self._schemas)

    def apply(self, url: str) -> None:
        for schema in self._schemas:
            schema.apply(url)

    def remove(self, url: str) -> None:
        for schema in reversed(self._schemas):
            schema.remove(url)


def schema_of(value: Any, project: Project | None = None) -> Schema | None:
    """Return the Schema for a value of the `postgres_schema` fixture; None for none.

    value: MetaData, a path of an .sql file, of an alembic.ini or a pyproject.toml, a folder of
        .sql files or of migrations, an Alembic Config, a callable that takes the database's URL,
        or a list of these, applied in order.
    project: by default the one in the current folder, without settings.
    Raises SchemaFailed for anything else, and for a file that is not there.
    """
    if value is None:
        return None
    project = project or Project()
    if isinstance(value, str | os.PathLike):
        return _from_path(Path(value), project)
    if is_metadata(value):
        from wflo_testkit.services.postgres.schema.metadata import MetaDataSchema

        return MetaDataSchema(value, project)
    if _is_config(value):
        from wflo_testkit.services.postgres.schema.alembic import AlembicSchema, of_config

        return AlembicSchema(of_config(value), project)
    if isinstance(value, Sequence):
        found = [schema_of(each, project) for each in value]
        return Several([schema for schema in found if schema is not None])
    if callable(value) and not hasattr(value, "metadata"):
        from wflo_testkit.services.postgres.schema.function import FunctionSchema

        return FunctionSchema(value, project)
    raise _unusable(value)


def _from_path(path: Path, project: Project) -> Schema:
    if (path.is_file() and path.suffix in _OF_ALEMBIC) or (path / "env.py").is_file():
        from wflo_testkit.services.postgres.schema.alembic import AlembicSchema, of_path

        return AlembicSchema(of_path(path), project)
    if path.is_dir():
        return _from_folder(path, project)
    if not path.is_file():
        raise failed(
            f"the schema file {path} does not exist",
            f"nothing at {path.absolute()}",
            fix="give a path that does not depend on where pytest starts: "
            "Path(__file__).parent / ...",
        )
    if path.suffix == ".sql":
        from wflo_testkit.services.postgres.schema.sql import SqlSchema

        return SqlSchema(path)
    raise _unusable(path)


def _from_folder(path: Path, project: Project) -> Schema:
    files = sorted(path.glob("*.sql"))
    if not files:
        raise failed(
            f"the folder {path} holds no .sql file", "nor an env.py of Alembic: nothing to apply"
        )
    return schema_of(files, project)  # type: ignore[return-value]  # a list is never None


def _is_config(value: Any) -> bool:
    """Tell without importing Alembic."""
    module = sys.modules.get("alembic.config")
    return module is not None and isinstance(value, module.Config)


def _unusable(value: Any) -> SchemaFailed:
    hint = (
        "return its metadata: Base.metadata"
        if hasattr(value, "metadata")
        else (
            "return a MetaData, the path of an .sql file or of an alembic.ini, an Alembic Config, "
            "a callable that takes a URL, or a list of these"
        )
    )
    return failed(
        "the schema of the test database cannot be used",
        f"it is {value!r}, a {type(value).__name__}",
        fix=hint,
    )
