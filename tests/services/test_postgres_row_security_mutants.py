"""What becomes of a login after its test, with one mechanism at a time switched off."""

from __future__ import annotations

import psycopg
import pytest

from tests.services.postgres_server import (
    Asker,
    asker,
    databases,
    query,
    server_that_recycles,
    shared_isolation,
)
from tests.services.test_postgres_row_security import BODIES, WHOLE, logins_on
from tests.services.test_postgres_templates import Counting
from wflo_testkit.isolation import HeldLease
from wflo_testkit.services.postgres import PostgresDatabase, PostgresServer
from wflo_testkit.services.postgres.logins import Logins
from wflo_testkit.wait import wait_until

__all__ = ["asker", "server_that_recycles", "shared_isolation"]

pytestmark = pytest.mark.slow

GRANTED = "SELECT relname FROM pg_class WHERE relacl IS NOT NULL AND oid >= 16384"


def use(asker: Asker, *, ask: bool) -> PostgresDatabase:
    """Be a test, and wait until its database is back, or another one in its place."""
    with asker.database() as handle:
        assert query(handle, GRANTED) == [], "rights of an earlier test"
        if ask:
            handle.as_role("app")
    asker.settled()
    return handle


def use_in_turns(asker: Asker) -> None:
    for _again in range(4):
        used = {use(asker, ask=True).name for _each in range(3)}
        assert use(asker, ask=False).name not in used


def test_the_next_test_has_a_database_without_its_rights(asker: Asker) -> None:
    asker.schema = Counting("granted", WHOLE)
    before = asker.isolation.figures()["replaced"]
    use_in_turns(asker)

    assert asker.isolation.figures()["replaced"] >= before + 12


def test_were_it_taken_for_a_fresh_one_the_next_test_would_have_them(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    recycler, end = asker.isolation._recycler, Logins.end

    def end_and_watch(logins: Logins, lease: HeldLease) -> list[str]:
        asked = lease.notes.get("users")
        left = end(logins, lease)
        if asked:
            recycler.watch(lease.data["database"], lease.data["template"])
        return left

    monkeypatch.setattr(Logins, "end", end_and_watch)
    asker.schema = Counting("granted, unseen", WHOLE)

    with pytest.raises(AssertionError, match="rights of an earlier test"):
        use_in_turns(asker)


def test_without_an_end_it_outlives_its_database(
    asker: Asker, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker.schema = Counting("endless", WHOLE)
    with monkeypatch.context() as patched:
        patched.setattr(Logins, "_end", lambda *_: [])
        with asker.database() as handle:
            handle.as_role("app")
    wait_until(lambda: handle.name not in databases(server), timeout=30)

    [left] = logins_on(server)
    query(server, f'DROP ROLE "{left}"')


def test_with_the_rights_of_the_owner_the_policy_is_not_obeyed(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker.schema = Counting("owned", WHOLE)
    with asker.database() as handle:
        member = f'GRANT "{handle.user}" TO {{user}}'
        monkeypatch.setattr(
            Logins, "_rights", lambda _self, _lease, _connection, user: [member.format(user=user)]
        )
        with psycopg.connect(handle.as_role("app")) as app:
            assert app.execute(BODIES).fetchall() != []
