"""Code of the project's runs under the guard while it makes a schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.project import Project

if TYPE_CHECKING:
    from wflo_testkit.errors import SchemaFailed
    from wflo_testkit.services.postgres.schema.guard import Guard


@contextmanager
def guarded(url: str, project: Project, what: str, looked_at: str) -> Iterator[Guard]:
    """Let this thread, and those that it starts, connect to `url` and what is allowed alone.

    what: whose code it is; looked_at: where that stands.
    Raises SchemaFailed when a connection was refused, even if that code has swallowed it.
    """
    from wflo_testkit.services.postgres.schema.guard import Guard

    guard = Guard(url, connects_to=project.connects_to, root=project.root)
    with project.exported(url), guard:
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
