-- A bit of everything that a program can damage and the kit has to put back, or else replace.
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE DOMAIN price AS numeric CHECK (VALUE >= 0);

CREATE TABLE customers (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    mood mood NOT NULL DEFAULT 'calm',
    shouted text GENERATED ALWAYS AS (upper(name)) STORED
);
CREATE TABLE orders (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer int NOT NULL REFERENCES customers ON DELETE CASCADE,
    total price NOT NULL DEFAULT 1,
    tags text[] NOT NULL DEFAULT '{}',
    body jsonb
);
CREATE TABLE empty (id bigserial PRIMARY KEY, note text, weight double precision);
CREATE INDEX ON empty (note);
CREATE UNLOGGED TABLE scratch (id int, big text);
CREATE TABLE log (line text);
CREATE TABLE measured (day date NOT NULL, value int) PARTITION BY RANGE (day);
CREATE TABLE measured_early PARTITION OF measured FOR VALUES FROM ('2000-01-01') TO ('2001-01-01');
CREATE TABLE measured_late PARTITION OF measured FOR VALUES FROM ('2001-01-01') TO ('2002-01-01');
CREATE TABLE parent (a int);
CREATE TABLE child (b int) INHERITS (parent);
CREATE TABLE "a ""quoted"" name" ("t" int, wflo_row int);

CREATE FUNCTION note_order() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO log VALUES ('order'); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION note_order();
CREATE VIEW totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
CREATE MATERIALIZED VIEW names AS SELECT name FROM customers;
CREATE RULE keep AS ON DELETE TO parent DO INSTEAD NOTHING;
CREATE SEQUENCE loose START 7;

INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 300) n;
INSERT INTO orders (customer, total, tags, body)
    SELECT n, n, ARRAY['a', NULL, 'b'], jsonb_build_object('n', n) FROM generate_series(1, 40) n;
INSERT INTO measured SELECT date '2000-12-01' + n, n FROM generate_series(1, 60) n;
INSERT INTO parent VALUES (1), (NULL);
INSERT INTO child VALUES (2, 3);
INSERT INTO "a ""quoted"" name" VALUES (1, 2);
REFRESH MATERIALIZED VIEW names;
SELECT nextval('loose'), nextval('loose');
SELECT lo_from_bytea(4711, 'in the template');
COMMENT ON TABLE customers IS 'those who buy';
GRANT SELECT ON customers TO PUBLIC;
