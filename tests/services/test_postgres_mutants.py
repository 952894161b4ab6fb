"""Each guard of the isolation, switched off, lets something through that its test would see."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import text

from tests.services.postgres_server import Asker, query, server_that_recycles
from wflo_testkit.services.postgres import PostgresServer, proof
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.conveniences import rollback
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.modes import schema as schema_mode
from wflo_testkit.services.postgres.pool import Pool
from wflo_testkit.services.postgres.recycling import reading
from wflo_testkit.services.postgres.recycling.recycler import Recycler

__all__ = ["server_that_recycles"]

TABLES = sa.MetaData()
sa.Table("orders", TABLES, sa.Column("id", sa.Integer, primary_key=True))
INSERT = text("INSERT INTO orders VALUES (1)")


@pytest.fixture
def asker(server: PostgresServer) -> Iterator[Asker]:
    """With an isolation of its own: what a mutant spoils reaches no other test."""
    isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
    yield Asker(isolation, server)
    isolation.close()


def rows_seen_by_the_second_test(asker: Asker, mode: str) -> int:
    """Let one test commit a row past the kit's session; count what the next one finds."""
    asker.mode, asker.schema = mode, TABLES
    with asker.database() as handle, asker.convenience("session", handle) as session:
        session.execute(text("SELECT 1"))
        driver = session.connection().connection.driver_connection
        driver.execute("INSERT INTO orders VALUES (1)")
        driver.commit()
    with asker.database() as handle, asker.convenience("session", handle) as session:
        return int(session.scalar(text("SELECT count(*) FROM orders")))


def test_without_the_proof_a_committed_row_reaches_the_next_test(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows_seen_by_the_second_test(asker, "rollback") == 0

    monkeypatch.setattr(proof.Proof, "changed", lambda *_: "")
    assert rows_seen_by_the_second_test(asker, "rollback") == 1


def test_without_the_count_of_visits_a_committed_row_reaches_the_next_test(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "visits", lambda _link: "always the same")
    asker.mode, asker.schema = "rollback", TABLES
    with asker.database():
        pass  # the first look is a full one

    assert rows_seen_by_the_second_test(asker, "rollback") == 1


def test_without_savepoints_a_commit_ends_the_outer_transaction(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker.mode, asker.schema = "rollback", TABLES
    plain = rollback.session_class()

    class Committing(plain):  # type: ignore[misc,valid-type]
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            self.join_transaction_mode = "control_fully"

    for kind, said in ((plain, 0), (Committing, 1)):
        monkeypatch.setattr(
            "wflo_testkit.services.postgres.conveniences.sync.session_class", lambda kind=kind: kind
        )
        with asker.database() as handle, asker.convenience("session", handle) as session:
            session.execute(INSERT)
            session.commit()

        assert len(asker.warnings) == said


def test_with_a_pool_that_gives_used_databases_out_a_row_reaches_the_next_test(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows_seen_by_the_second_test(asker, "database") == 0

    used: list[str] = []
    fresh = Pool.take
    monkeypatch.setattr(Pool, "give_back", lambda _pool, _t, name, **_k: used.append(name))
    monkeypatch.setattr(Pool, "take", lambda pool, t: used.pop() if used else fresh(pool, t))
    assert rows_seen_by_the_second_test(asker, "database") == 1


def test_with_one_schema_name_for_all_tests_meet(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows_seen_by_the_second_test(asker, "schema") == 0

    names = type(asker.isolation._cluster.names)
    monkeypatch.setattr(names, "schema", lambda _names, _id: "wflo_same")
    monkeypatch.setattr(schema_mode.SchemaMode, "_drop", lambda *_: None)
    asker.mode, asker.schema = "schema", TABLES
    with asker.database() as handle:
        query(handle, "INSERT INTO orders VALUES (1)")
    with pytest.raises(Exception, match="already exists"), asker.database():
        pass


def test_without_settling_a_leftover_goes_unseen(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave_one() -> None:
        with asker.database(mode="database") as handle:
            left = psycopg.connect(handle.url)
        left.close()

    leave_one()
    assert len(asker.warnings) == 1

    asker.warnings.clear()
    monkeypatch.setattr(Recycler, "end_sessions", lambda *_: [])
    leave_one()
    assert asker.warnings == []


def test_a_template_that_is_not_sealed_can_be_changed_by_a_test(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "seal", lambda *_: None)

    def apply(url: str) -> None:
        apply.url = url  # type: ignore[attr-defined]

    with asker.database(schema=apply):
        psycopg.connect(apply.url).close()  # type: ignore[attr-defined]

    monkeypatch.undo()

    def sealed(url: str) -> None:
        sealed.url = url  # type: ignore[attr-defined]

    with asker.database(schema=sealed), pytest.raises(psycopg.OperationalError):
        psycopg.connect(sealed.url)  # type: ignore[attr-defined]
