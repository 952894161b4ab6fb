"""What a test can do to a database: kind -> statements, one of which a program runs.

A statement may be refused, depending on the role: that it was tried is what counts.
"""

from __future__ import annotations

KINDS: dict[str, tuple[str, ...]] = {
    "insert": (
        "INSERT INTO empty (note) VALUES ('one')",
        "INSERT INTO customers (name) SELECT 'new ' || n FROM generate_series(1, 20) n",
        "INSERT INTO scratch SELECT n, repeat('x', 3000) FROM generate_series(1, 9) n",
        "INSERT INTO measured VALUES ('2001-06-01', 1)",
        'INSERT INTO "a ""quoted"" name" VALUES (3, 4)',
        "INSERT INTO child VALUES (5, 6)",
    ),
    "insert much": ("INSERT INTO empty (note) SELECT n FROM generate_series(1, 3000) n",),
    "update": (
        "UPDATE orders SET total = total + 1 WHERE id = 3",
        "UPDATE customers SET mood = 'cross'",
        "UPDATE measured SET day = day + 200 WHERE value = 1",
    ),
    "update to the same": ("UPDATE customers SET name = name WHERE id = 1",),
    "delete": (
        "DELETE FROM orders WHERE id < 5",
        "DELETE FROM customers WHERE id = 7",
        "DELETE FROM ONLY parent",
    ),
    "swap rows of the template": (
        "WITH gone AS (DELETE FROM orders WHERE id = 2 RETURNING customer)"
        " INSERT INTO orders (customer) SELECT customer FROM gone",
        "DELETE FROM child; INSERT INTO child VALUES (7, 8)",
    ),
    "truncate": ("TRUNCATE orders", "TRUNCATE empty RESTART IDENTITY", "TRUNCATE log"),
    "rolled back": (
        "BEGIN; INSERT INTO empty (note) VALUES ('never'); CREATE TABLE never (); ROLLBACK",
        "BEGIN; DELETE FROM orders; ROLLBACK",
    ),
    "nextval": ("SELECT nextval('loose')", "SELECT nextval('empty_id_seq')"),
    "setval": ("SELECT setval('empty_id_seq', 55, false)", "SELECT setval('loose', 1)"),
    "table": (
        "CREATE TABLE more (id int)",
        "ALTER TABLE empty ADD COLUMN more int",
        "ALTER TABLE orders ALTER COLUMN total SET DEFAULT 2",
        "DROP TABLE orders CASCADE",
        "ALTER TABLE empty RENAME TO full_up",
        "ALTER TABLE customers ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE empty SET (fillfactor = 50)",
        "ALTER TABLE orders ADD CONSTRAINT few CHECK (id < 1000000)",
    ),
    "index": (
        "CREATE INDEX ON orders (total)",
        "DROP INDEX empty_note_idx",
        "REINDEX TABLE orders",
    ),
    "view": (
        "CREATE VIEW more AS SELECT 1",
        "DROP VIEW totals",
        "REFRESH MATERIALIZED VIEW names",
        "CREATE OR REPLACE VIEW totals AS SELECT 1 AS customer, 2::numeric AS total",
    ),
    "schema": ("CREATE SCHEMA more", "ALTER SCHEMA public RENAME TO private"),
    "trigger": (
        "DROP TRIGGER noted ON orders",
        "ALTER TABLE orders DISABLE TRIGGER noted",
        "CREATE TRIGGER again AFTER INSERT ON empty FOR EACH ROW EXECUTE FUNCTION note_order()",
    ),
    "function": (
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION note_order() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'",
        "CREATE FUNCTION count(int) RETURNS int LANGUAGE sql AS 'SELECT 0'",
    ),
    "extension": ("CREATE EXTENSION pgcrypto", "CREATE EXTENSION hstore", "DROP EXTENSION plpgsql"),
    "type": (
        "CREATE TYPE more AS (a int)",
        "ALTER TYPE mood ADD VALUE 'glad'",
        "CREATE DOMAIN more AS int",
        "ALTER DOMAIN price DROP NOT NULL, ALTER DOMAIN price SET DEFAULT 3",
    ),
    "grant": (
        "GRANT ALL ON orders TO PUBLIC",
        "REVOKE SELECT ON customers FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    ),
    "role": (
        "CREATE ROLE more",
        "ALTER ROLE CURRENT_USER PASSWORD 'mine'",
        "DROP ROLE {owner}",
        "ALTER ROLE {owner} SET work_mem = 64",
        "SET ROLE {owner}; ALTER ROLE CURRENT_USER PASSWORD 'mine'",
        "GRANT {owner} TO CURRENT_USER WITH ADMIN OPTION",
    ),
    "role settings": ("ALTER ROLE CURRENT_USER SET search_path = nowhere",),
    "database settings": (
        "ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'",
        "ALTER DATABASE {database} SET default_transaction_read_only = on",
        "ALTER DATABASE {database} CONNECTION LIMIT 3",
        "ALTER ROLE CURRENT_USER IN DATABASE {database} SET statement_timeout = 1",
    ),
    "system settings": ("ALTER SYSTEM SET work_mem = '99kB'",),
    "large object": (
        "SELECT lo_create(0)",
        "SELECT lo_put(4711, 0, 'IN')",
        "SELECT lo_unlink(4711)",
        "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC",
    ),
    "advisory lock": ("SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock_shared(2)"),
    "prepared transaction": (
        "BEGIN; INSERT INTO empty (note) VALUES ('later'); PREPARE TRANSACTION 'it is {database}'",
        "BEGIN; SELECT pg_advisory_xact_lock(3); PREPARE TRANSACTION 'locks {database}'",
    ),
    "listen": ("LISTEN orders", "LISTEN a; NOTIFY a, 'b'"),
    "temporary table": (
        "CREATE TEMP TABLE customers (id int); INSERT INTO customers VALUES (1)",
        "CREATE TEMP TABLE brief (id int) ON COMMIT DROP",
    ),
    "replication slot": (
        "SELECT pg_create_physical_replication_slot('slot_of_a_test')",
        "SELECT pg_create_logical_replication_slot('logical_of_a_test', 'pgoutput')",
    ),
    "publication": (
        "CREATE PUBLICATION more FOR TABLE orders",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    ),
    "comment": (
        "COMMENT ON TABLE customers IS NULL",
        "COMMENT ON DATABASE {database} IS 'mine'",
        "COMMENT ON COLUMN orders.id IS 'key'",
    ),
    "statistics": (
        "CREATE STATISTICS more ON id, customer FROM orders",
        "ALTER TABLE orders ALTER COLUMN total SET STATISTICS 7",
    ),
    "analyze": ("ANALYZE empty", "ANALYZE", "VACUUM orders", "VACUUM FULL customers"),
    "counters off": (
        "SET track_counts = off; INSERT INTO empty (note) VALUES ('unseen')",
        "ALTER DATABASE {database} SET track_counts = off",
    ),
    "counters reset": (
        "INSERT INTO empty (note) VALUES ('x'); SELECT pg_stat_force_next_flush();"
        " SELECT pg_stat_reset()",
        "SELECT pg_stat_reset_single_table_counters('empty'::regclass)",
    ),
    "as a replica": ("SET session_replication_role = replica; DELETE FROM customers WHERE id = 1",),
    "catalog write": (
        "UPDATE pg_class SET reltuples = 12345 WHERE relname = 'orders'",
        "DELETE FROM pg_description",
        "UPDATE pg_proc SET proisstrict = NOT proisstrict WHERE proname = 'note_order'",
    ),
    "tablespace": ("CREATE TABLESPACE more LOCATION '/tmp/more'",),
    "another database": ("CREATE DATABASE more", "DROP DATABASE postgres"),
}

KILLED = "backend killed"
LEFT_OPEN = "session left open"
EVERY = (*KINDS, KILLED, LEFT_OPEN)
