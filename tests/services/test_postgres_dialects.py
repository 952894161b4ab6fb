"""What SQLAlchemy finds out about a server on its first connection is found out once."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect

from tests.services.postgres_server import Asker, asker, server, shared_isolation
from wflo_testkit.services.postgres.conveniences import dialects

__all__ = ["asker", "server", "shared_isolation"]

TABLES = sa.MetaData()
sa.Table("orders", TABLES, sa.Column("id", sa.Integer, primary_key=True))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A list that gets an entry each time a dialect asks a server; nothing is known before."""
    monkeypatch.setattr(dialects, "_known", {})
    times: list[object] = []
    initialize = PGDialect.initialize

    def noted(dialect: PGDialect, connection: sa.Connection) -> None:
        times.append(dialect)
        initialize(dialect, connection)

    monkeypatch.setattr(PGDialect, "initialize", noted)
    return times


def facts(asker: Asker, name: str = "engine") -> dict[str, object]:
    """Connect once by the engine of a test of its own; return what its dialect has noted."""
    with asker.database() as handle, asker.convenience(name, handle) as engine:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
        return {
            fact: getattr(engine.dialect, fact)
            for fact in ("server_version_info", "default_schema_name", "default_isolation_level")
        }


def applied(asker: Asker, schema: sa.MetaData, asked: list[object]) -> None:
    """Make the template, for which an engine of its own is needed, too."""
    asker.schema = schema
    with asker.database():
        asked.clear()


def test_the_second_test_knows_what_the_first_has_asked(asker: Asker, asked: list[object]) -> None:
    applied(asker, TABLES, asked)
    first, second = facts(asker), facts(asker)

    assert len(asked) == 1
    assert second == first
    assert first["server_version_info"] >= (15,)  # type: ignore[operator]
    assert first["default_schema_name"] == "public"


def test_a_template_with_settings_of_its_own_is_asked_for_itself(
    asker: Asker, asked: list[object]
) -> None:
    def elsewhere(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA elsewhere")
            connection.execute(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = elsewhere',"
                " current_database()); END $$"
            )

    applied(asker, TABLES, asked)
    assert facts(asker)["default_schema_name"] == "public"
    asker.schema = elsewhere
    assert facts(asker)["default_schema_name"] == "elsewhere"
    assert len(asked) == 2


def test_a_test_with_a_schema_of_its_own_asks_for_itself(asker: Asker, asked: list[object]) -> None:
    asker.mode = "schema"
    names = {facts(asker)["default_schema_name"] for _ in range(2)}

    assert len(names) == len(asked) == 2


def test_converters_that_belong_to_a_connection_are_not_shared(
    asker: Asker, asked: list[object]
) -> None:
    def with_hstore(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE EXTENSION hstore")

    asker.schema = with_hstore
    for _ in range(2):
        with asker.database() as handle, asker.convenience("engine", handle) as engine:
            with engine.connect() as connection:
                found = connection.scalar(sa.text("SELECT 'a=>1'::hstore"))
            assert found == {"a": "1"}
    assert len(asked) == 2
