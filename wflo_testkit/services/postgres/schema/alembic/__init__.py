"""A schema from Alembic's migrations, applied as `alembic upgrade heads` would apply them."""

from __future__ import annotations

import dataclasses
import os

from wflo_testkit.errors import SchemaFailed
from wflo_testkit.services.postgres.schema.alembic.answer import Answer
from wflo_testkit.services.postgres.schema.alembic.source import Source, of_config, of_path
from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.project import Project, refused

__all__ = ["AlembicSchema", "of_config", "of_path"]

_REACH = (
    'let env.py take its address from config.get_main_option("sqlalchemy.url") or its connection '
    'from config.attributes["connection"], or name the variable that it reads in the setting env: '
    'env = { DATABASE_URL = "{postgres.url}" }'
)
_ALIKE = (
    "see whether `alembic upgrade heads` fails alike on an empty database; what the project does "
    "before or around it belongs into the fixture, as a list ([Base.metadata, ini]) or a callable "
    "that calls the project's own function"
)


class AlembicSchema:
    """Upgrades to all heads with the project's own env.py, in a process of its own.

    There the project's logging, event loops and imports are not the tests', as with the command.
    A Config whose attributes hold live objects cannot leave the tests' process, and is used there.
    """

    def __init__(self, source: Source, project: Project) -> None:
        self._source = source
        self._project = project

    @property
    def fingerprint(self) -> str:
        return self._project.keys.key(self._identity)

    @property
    def lasts(self) -> bool:
        return not self._source.live and self._project.keys.lasts(self._identity)

    def apply(self, url: str) -> None:
        """Run `alembic upgrade heads`. Raises SchemaFailed, also for no trace of it at `url`."""
        answer = self._here(url) if self._source.live else self._apart(url)
        if answer.refused or answer.error:
            raise self._failed(answer)
        if answer.manifest is not None:
            from wflo_testkit.services.postgres.schema.manifest import Manifest

            self._project.keys.record(self._identity, Manifest.from_json(answer.manifest))

    def remove(self, url: str) -> None:
        """Do nothing: the database is dropped. Downgrades are for a test of their own."""

    @property
    def _identity(self) -> str:
        return f"alembic {self._source.identity}"

    def _apart(self, url: str) -> Answer:
        from wflo_testkit.services.postgres.schema.alembic.process import ask

        variables = self._project.variables(url)
        return ask(
            self._identity,
            {
                "source": dataclasses.asdict(self._source),
                "url": url,
                "environ": {**os.environ, **variables},
                "own_variables": list(variables),
                "connects_to": list(self._project.connects_to),
                "root": str(self._project.root),
                "records": not self._project.keys.has_recorded(self._identity),
            },
        )

    def _here(self, url: str) -> Answer:
        from wflo_testkit.services.postgres.schema.alembic.here import upgrade_here

        with self._project.exported(url):
            return upgrade_here(self._source, url, self._project)

    def _failed(self, answer: Answer) -> SchemaFailed:
        name, where = self._source.name, answer.where or self._source.name
        if answer.refused:
            return refused(f"the env.py of {name}", where, **answer.refused[0])
        if not answer.reached:
            return failed(
                f"the migrations of {name} did not reach the test's database",
                "env.py ran without an error, but no version table has changed there",
                looked_at=where,
                fix=_REACH,
            )
        return failed(f"the migrations of {name} failed", answer.error, looked_at=where, fix=_ALIKE)
