"""Migrations in the tests' own process, for a Config with live objects."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from wflo_testkit.services.postgres.schema.alembic.answer import Answer
from wflo_testkit.services.postgres.schema.alembic.source import Source
from wflo_testkit.services.postgres.schema.alembic.upgrade import upgrade
from wflo_testkit.services.postgres.schema.guard import Guard
from wflo_testkit.services.postgres.schema.project import Project


def upgrade_here(source: Source, url: str, project: Project) -> Answer:
    """Upgrade the database at `url`; logging and event loops of this process stay as they are."""
    guard = Guard(url, connects_to=project.connects_to, root=project.root)
    # In a thread of its own no event loop runs that they could disturb.
    with _logging_kept(), guard, ThreadPoolExecutor(1, "wflo-schema") as thread:
        answer = Answer.of(thread.submit(upgrade, source, url).result)
    return dataclasses.replace(answer, refused=[each.told() for each in guard.refused])


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Put logging back as it was: fileConfig in env.py disables every logger that exists."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    known = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    states = [(each, each.disabled, each.level, each.propagate) for each in known]
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        for logger, disabled, level, propagate in states:
            logger.disabled, logger.propagate = disabled, propagate
            logger.setLevel(level)
