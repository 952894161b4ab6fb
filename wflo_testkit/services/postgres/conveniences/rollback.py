"""The session of mode `rollback`: lazily one connection, one outer transaction, savepoints."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session


@cache
def session_class() -> type[Session]:
    """Return the class; made at first use, since it needs SQLAlchemy to be imported."""
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import Session

    class RollbackSession(Session):
        """Commits release savepoints; `end` rolls back what was committed.

        engine: where its one connection comes from, opened when first needed: AsyncSession
            can thus open it inside the event loop.
        """

        def __init__(self, *, engine: Callable[[], Engine], **options: Any) -> None:
            options["join_transaction_mode"] = "create_savepoint"
            super().__init__(**options)
            self._engine = engine
            self._outer: Connection | None = None

        def get_bind(self, *_arguments: Any, **_keywords: Any) -> Connection:
            if self._outer is None:
                self._outer = self._engine().connect()
                self._outer.begin()
            return self._outer

        def end(self, *, invalidate: bool = False) -> None:
            """Close the session, roll back, and close the connection.

            invalidate: cut it off, which rolls back as well, and asks nothing of the server.

            Where the test has ended the outer transaction by other means there is nothing left
            to roll back to; the check of the database (modes/rollback) reports what came of it.
            """
            outer, self._outer = self._outer, None
            if invalidate and outer is not None:
                outer.invalidate()
            try:
                self.close()
            except DBAPIError:
                if outer is not None:
                    outer.invalidate()
            if outer is not None:
                outer.close()  # rolls back

    return RollbackSession
