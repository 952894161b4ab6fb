"""A test's role owns its schema and all that is inside, as the role of an application does."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from tests.cases import quick
from tests.services.postgres_server import (
    Asker,
    PostgresDatabase,
    asker,
    query,
    server,
    shared_isolation,
)
from tests.services.test_postgres_templates import Counting
from wflo_testkit.services.postgres import cluster
from wflo_testkit.services.postgres.spec import MODES
from wflo_testkit.wait import wait_until

__all__ = ["asker", "server", "shared_isolation"]

SCHEMA = """
    CREATE TABLE orders (id serial PRIMARY KEY, what text NOT NULL, price numeric);
    CREATE INDEX ON orders (price);
    CREATE TABLE granted (id int GENERATED ALWAYS AS IDENTITY, note text);
    GRANT SELECT ON granted TO PUBLIC;
    GRANT USAGE ON SEQUENCE granted_id_seq TO PUBLIC;
    CREATE TABLE by_column (id int, note text);
    GRANT UPDATE (note) ON by_column TO PUBLIC;
    CREATE TABLE parts (id int) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);
    CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 1;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders;
    CREATE TYPE mood AS ENUM ('good');
    CREATE TYPE pair AS (a int, b int);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE SEQUENCE numbers;
    CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE PROCEDURE nothing() LANGUAGE sql AS '';
    CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
    CREATE STATISTICS both_columns ON id, price FROM orders;
    CREATE COLLATION plain FROM "C";
    CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
    CREATE POLICY mine ON orders TO CURRENT_USER USING (true);
"""
WHOLE = """
    CREATE SCHEMA more;
    CREATE TABLE more.inside (id int);
    CREATE EXTENSION pgcrypto;
    CREATE PUBLICATION told FOR TABLE orders;
    SELECT lo_create(4242);
"""
STATEMENTS = """
    CREATE SEQUENCE follows OWNED BY orders.id
    ALTER SEQUENCE numbers OWNED BY granted.id
    ALTER TABLE orders OWNER TO CURRENT_USER
    ALTER TABLE granted ALTER note SET NOT NULL
    CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touched()
    CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (9) TO (19)
    REFRESH MATERIALIZED VIEW counted
    ALTER TYPE mood ADD VALUE 'better'
    ALTER DOMAIN positive DROP CONSTRAINT positive_check
    COMMENT ON TABLE orders IS 'what was ordered'
    ANALYZE orders
    CREATE OR REPLACE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
    ALTER TABLE orders ENABLE ROW LEVEL SECURITY
    ALTER TABLE orders FORCE ROW LEVEL SECURITY
    INSERT INTO orders (what) VALUES ('seen by the policy')
    REVOKE ALL ON granted FROM PUBLIC
    REVOKE ALL ON by_column FROM PUBLIC
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC
    DROP TABLE granted, by_column, parts
    DROP VIEW cheap
    DROP TYPE pair
    DROP AGGREGATE total (int)
    DROP STATISTICS both_columns
    REASSIGN OWNED BY CURRENT_USER TO CURRENT_USER
"""
OF_A_WHOLE_DATABASE = """
    DROP TABLE more.inside
    ALTER SCHEMA more RENAME TO less
    ALTER EXTENSION pgcrypto UPDATE
    DROP EXTENSION pgcrypto
    ALTER PUBLICATION told DROP TABLE orders
    SELECT lo_unlink(4242)
    COMMENT ON SCHEMA public IS 'mine'
    ALTER SCHEMA public RENAME TO private
    DROP OWNED BY CURRENT_USER
"""
# Every object with an owner in the database that is none of the server's own.
OTHERS = """
    SELECT pg_describe_object(classid, objid, 0), refobjid::regrole::text FROM pg_shdepend
    WHERE deptype = 'o' AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND refobjid <> CURRENT_USER::regrole
"""
ROWS = """
    SELECT oid::regclass::text FROM pg_class
    WHERE oid >= 16384 AND relowner <> CURRENT_USER::regrole
    UNION ALL SELECT oid::regtype::text FROM pg_type
    WHERE oid >= 16384 AND typowner <> CURRENT_USER::regrole
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def applied(mode: str) -> Counting:
    """Return the schema callable for a mode."""
    return Counting(f"owned {mode}", SCHEMA if mode == "schema" else SCHEMA + WHOLE)


def mine(handle: PostgresDatabase, sql: str) -> list[tuple[object, ...]]:
    return query(handle, sql)


@pytest.mark.parametrize("mode", quick(MODES, ("database",)))
def test_a_test_may_do_what_an_owner_may(asker: Asker, mode: str) -> None:
    whole = [] if mode == "schema" else lines(OF_A_WHOLE_DATABASE)
    with (
        asker.database(mode=mode, schema=applied(mode)) as handle,
        asker.convenience("session", handle) as session,
    ):
        assert session.scalar(sa.text("SELECT current_user = session_user"))
        for statement in lines(STATEMENTS) + whole:
            session.execute(sa.text(statement))
        session.commit()
    with asker.database() as again, asker.convenience("session", again) as session:
        session.execute(sa.text("CREATE SEQUENCE follows OWNED BY orders.id"))

    assert asker.warnings == []


@pytest.mark.parametrize("mode", ["database", "schema", "create"])
def test_nothing_in_it_belongs_to_anybody_else(asker: Asker, mode: str) -> None:
    with asker.database(mode=mode, schema=applied(mode)) as handle:
        assert mine(handle, OTHERS) == []
        if mode != "schema":  # others' schemas are in the same database
            assert mine(handle, ROWS) == []
        owners = mine(
            handle, "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = 'orders'"
        )
        assert (handle.user,) in owners


def test_grants_are_the_owners_to_take_back(asker: Asker) -> None:
    """An entry whose grantor is somebody else would stay."""
    everybody = """
        SELECT grantor::regrole::text FROM pg_class, aclexplode(relacl)
        WHERE relname = 'granted' AND grantee = 0
        UNION ALL SELECT grantor::regrole::text FROM pg_attribute, aclexplode(attacl)
        WHERE attrelid = 'by_column'::regclass"""
    with asker.database(schema=applied("database")) as handle:
        assert mine(handle, everybody) == [(handle.user,)] * 2
        mine(handle, "REVOKE ALL ON granted, by_column FROM PUBLIC")
        assert mine(handle, everybody) == []


@pytest.mark.slow
def test_no_other_database_changes_hands(asker: Asker) -> None:
    """Not that of the schemas, nor one that is being filled, while a clone is handed over."""

    def owner_of(name: str) -> list[tuple[object, ...]]:
        sql = f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{name}'"
        return query(asker.server, sql)

    with asker.database(mode="schema", schema=applied("schema")) as shared:
        before = owner_of(shared.name)
    for n in range(3):
        with asker.database(mode="database", schema=Counting(f"hands {n}")) as handle:
            mine(handle, "ALTER TABLE t ADD more text")

    assert owner_of(shared.name) == before == [(shared.user,)]


def test_a_database_that_was_owned_is_recycled(asker: Asker) -> None:
    """What the kit writes to catalogs for it is behind the first reading."""
    asker.schema, asker.mode = applied("database"), "database"
    wait_until(lambda: _quiet(asker), timeout=30)
    before = asker.isolation.figures()["replaced"]
    for _again in range(4):
        with asker.database() as handle:
            mine(handle, "INSERT INTO orders (what) VALUES ('tea')")
        wait_until(lambda: _quiet(asker), timeout=30)

    assert asker.isolation.figures()["replaced"] == before, asker.isolation._pool.reasons


def _quiet(asker: Asker) -> bool:
    return not any(stock.coming for stock in asker.isolation._pool._of_template.values())


def test_without_the_hand_over_a_sequence_cannot_follow_a_table(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutant: a member of the owner is not the owner."""
    monkeypatch.setattr(cluster, "hand_over", lambda *_given: None)
    with (
        asker.database(schema=Counting("not handed over")) as handle,
        pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="same owner"),
    ):
        mine(handle, "CREATE SEQUENCE s OWNED BY t.id")
