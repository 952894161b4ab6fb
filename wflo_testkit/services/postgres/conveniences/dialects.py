"""What SQLAlchemy asks a server on an engine's first connection, asked once for all tests.

A new engine asks for version, default schema, isolation level and more, which takes longer than to
connect (measured: 12.1 ms to the first result of an engine of its own, 8.9 ms where that is known,
6.5 ms without SQLAlchemy). All clones of one template answer the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.handle import PostgresDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_known: dict[tuple[object, ...], dict[str, Any]] = {}
"""Server, template and driver -> what a dialect has noted; the same in every thread."""


def share(engine: Engine, handle: PostgresDatabase) -> None:
    """Let the engine's dialect learn from another test's what that has found out.

    Not where a test has a schema of its own in a database of many: the default schema differs.
    """
    if not handle.template or handle.schema:
        return
    dialect: Any = engine.dialect
    key = (handle.host, handle.port, handle.template, dialect.driver)
    ask = dialect.initialize

    def initialize(connection: Connection) -> None:
        """Stand in for Dialect.initialize, which an engine calls on its first connection."""
        if (known := _known.get(key)) is None:
            known = _learn(dialect, ask, connection)
            if not known.get("_has_native_hstore"):  # its converters belong to one connection
                _known[key] = known
        else:
            vars(dialect).update(known)

    dialect.initialize = initialize


def _learn(dialect: Any, ask: Any, connection: Connection) -> dict[str, Any]:
    """Let a dialect ask, and return the attributes that it has set."""
    before = dict(vars(dialect))
    ask(connection)
    return {
        name: value
        for name, value in vars(dialect).items()
        if name not in before or before[name] is not value
    }
