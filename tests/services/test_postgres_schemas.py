"""Every kind of schema is applied, is known by its content, and fails with a place to look."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from tests.cases import quick
from tests.services import alembic_projects
from tests.services.bystander import at_hand
from tests.services.postgres_server import Asker, asker, query, server, shared_isolation, tables
from wflo_testkit.errors import SchemaFailed
from wflo_testkit.services.postgres import SERVICE
from wflo_testkit.services.postgres.schema import schema_of

__all__ = ["asker", "at_hand", "server", "shared_isolation"]


def metadata(*names: str, **options: Any) -> sa.MetaData:
    made = sa.MetaData()
    for name in names:
        sa.Table(name, made, sa.Column("id", sa.Integer, primary_key=True), **options)
    return made


def sql_file(folder: Path, text: str, name: str = "schema.sql") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE filled (id int)")


async def fill_async(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE filled (id int)")
    await connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", quick(SERVICE.modes, ("database",)))
def test_each_kind_brings_its_tables_in_each_mode(asker: Asker, tmp_path: Path, mode: str) -> None:
    schema = [
        metadata("from_metadata"),
        sql_file(tmp_path, "CREATE TABLE from_sql (id int);"),
        alembic_projects.write(tmp_path, alembic_projects.PLAIN) / "alembic.ini",
        fill,
    ]
    with asker.database(schema=schema, mode=mode) as handle:
        assert tables(handle) == ["a", "alembic_version", "filled", "from_metadata", "from_sql"]


def test_a_coroutine_function_will_do(asker: Asker) -> None:
    with asker.database(schema=fill_async) as handle:
        assert tables(handle) == ["filled"]


def test_a_folder_stands_for_its_sql_files_in_order(asker: Asker, tmp_path: Path) -> None:
    sql_file(tmp_path, "CREATE TABLE parent (id int PRIMARY KEY)", "001.sql")
    sql_file(tmp_path, "CREATE TABLE child (id int REFERENCES parent)", "002.sql")
    with asker.database(schema=str(tmp_path)) as handle:
        assert tables(handle) == ["child", "parent"]


def test_metadata_may_name_postgres_schemas(asker: Asker) -> None:
    with asker.database(schema=metadata("orders", schema="shop")) as handle:
        assert query(handle, "SELECT count(*) FROM shop.orders") == [(0,)]


def test_metadata_that_names_postgres_schemas_cannot_share_a_database(asker: Asker) -> None:
    with (
        pytest.raises(SchemaFailed, match="which tests would share"),
        asker.database(schema=metadata("orders", schema="shop"), mode="schema"),
    ):
        pass


def test_an_sql_file_may_be_a_dump(asker: Asker, tmp_path: Path) -> None:
    dump = sql_file(
        tmp_path,
        r"""
        \restrict k3y
        -- Dumped
        SET client_encoding = 'UTF8';
        CREATE TABLE notes (id int, what text); /* a ; /* nested ; */ one */
        COPY notes (id, what) FROM stdin;
        1	it's; 100%
        2	\N
        \.
        CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
        BEGIN RETURN 2 * n; END;
        $body$;
        CREATE FUNCTION one() RETURNS int LANGUAGE sql
        BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;
        INSERT INTO notes VALUES (twice(2), E'don\'t; ''stop''');
        VACUUM notes;
        \unrestrict k3y
        """,
    )
    with asker.database(schema=dump) as handle:
        found = query(handle, "SELECT id, what FROM notes ORDER BY id")

    assert found == [(1, "it's; 100%"), (2, None), (4, "don't; 'stop'")]


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("CREATE TABLE a (id int);\n\nCREATE TABLE b (\n  id nonsense\n);", 4, "nonsense"),
        ("SELECT 1;\n-- why\nDROP TABLE nowhere;", 3, "nowhere"),
        ("SELECT 1;\n\\copy a from 'x'\n", 2, "command of psql"),
        ("SELECT 1;\n\nSELECT 'open;\n", 3, "never closed"),
        ("SELECT 1;\n/* open\n", 2, "never closed"),
        ("CREATE TABLE a ();\nCOPY a FROM stdin;\n", 2, "COPY"),
        ("CREATE TABLE a (id int);\nCOPY a FROM stdin;\nx\n\\.\n", 2, "integer"),
    ],
)
def test_an_error_in_an_sql_file_names_its_line(
    asker: Asker, tmp_path: Path, text: str, line: int, cause: str
) -> None:
    path = sql_file(tmp_path, text)
    with pytest.raises(SchemaFailed) as caught, asker.database(schema=path):
        pass

    assert f"schema.sql, line {line}:" in caught.value.text
    assert cause in str(caught.value.cause)
    assert f"{path}:{line}" in str(caught.value.looked_at)
    assert "postgres_schema" in str(caught.value.looked_at)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("nowhere.sql", "does not exist"),
        (7, "a int"),
        (Path(__file__), "cannot be used"),
        ({"a": 1}, "a dict"),
        ([fill, 7], "a int"),
    ],
)
def test_what_is_no_schema_is_named(value: Any, said: str) -> None:
    with pytest.raises(SchemaFailed, match=said) as caught:
        schema_of(value)

    assert "postgres_schema" in str(caught.value.looked_at)


def test_a_declarative_base_leads_to_its_metadata() -> None:
    class Base(DeclarativeBase):
        pass

    with pytest.raises(SchemaFailed, match=r"return its metadata: Base\.metadata"):
        schema_of(Base)


def test_a_failing_callable_is_named_with_its_file() -> None:
    def broken(_url: str) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(SchemaFailed, match="broken failed") as caught:
        schema_of(broken).apply("postgresql://nowhere")  # type: ignore[union-attr]

    assert "ZeroDivisionError: oops" in str(caught.value.cause)
    assert str(Path(__file__)) in str(caught.value.looked_at)


def test_a_callable_that_yields_is_told_that_nothing_of_it_has_run() -> None:
    def lazy(_url: str) -> Iterator[None]:
        yield

    async def lazily(_url: str) -> AsyncIterator[None]:
        yield

    for each in (lazy, lazily):
        with pytest.raises(SchemaFailed, match="it yields, so nothing of it has run"):
            schema_of(each).apply("postgresql://nowhere")  # type: ignore[union-attr]


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "schema.sql"
    path.write_bytes("SELECT 'Grüße'".encode("latin-1"))

    with pytest.raises(SchemaFailed, match=r"schema\.sql cannot be read as UTF-8") as caught:
        schema_of(path)

    assert "UnicodeDecodeError" in str(caught.value.cause)
    assert str(path) in str(caught.value.looked_at)


def test_a_listener_of_the_metadata_that_fails_is_explained(asker: Asker) -> None:
    bad = metadata("orders")

    def fail(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError("oops")

    sa.event.listen(bad, "after_create", fail)
    with (
        pytest.raises(SchemaFailed, match="create_all of the schema's 1 tables failed") as caught,
        asker.database(schema=bad),
    ):
        pass

    assert "ZeroDivisionError: oops" in str(caught.value.cause)


def test_metadata_that_cannot_be_created_is_explained(asker: Asker) -> None:
    bad = sa.MetaData()
    sa.Table("orders", bad, sa.Column("id", sa.Integer, server_default=sa.text("nonsense()")))
    with (
        pytest.raises(SchemaFailed, match=r"nonsense\(\) does not exist"),
        asker.database(schema=bad),
    ):
        pass


# -- fingerprints


def fingerprint(value: Any) -> str:
    schema = schema_of(value)
    assert schema is not None
    return schema.fingerprint


def test_equal_metadata_have_one_fingerprint_in_any_order_of_tables() -> None:
    assert fingerprint(metadata("a", "b")) == fingerprint(metadata("b", "a"))
    assert fingerprint(metadata("a")) != fingerprint(metadata("b"))


def test_metadata_that_grows_gets_another_fingerprint() -> None:
    growing = metadata("a")
    before = fingerprint(growing)
    sa.Table("later", growing, sa.Column("id", sa.Integer))
    with_table = fingerprint(growing)
    growing.tables["a"].append_column(sa.Column("more", sa.Integer))

    assert len({before, with_table, fingerprint(growing)}) == 3


def test_what_a_listener_says_belongs_to_the_metadata() -> None:
    def with_row(number: int) -> sa.MetaData:
        made = metadata("a")
        table = made.tables["a"]

        def insert(_table: Any, connection: Any, **_more: Any) -> None:
            connection.execute(table.insert().values(id=number))

        sa.event.listen(table, "after_create", insert)
        return made

    assert fingerprint(with_row(1)) == fingerprint(with_row(1))
    assert len({fingerprint(each) for each in (metadata("a"), with_row(1), with_row(2))}) == 3


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    one = sql_file(tmp_path, "SELECT 1", "one.sql")
    two = sql_file(tmp_path, "SELECT 1", "two.sql")

    assert fingerprint(one) == fingerprint(two)
    two.write_text("SELECT 2")
    assert fingerprint(one) != fingerprint(two)


def test_the_order_of_a_list_counts(tmp_path: Path) -> None:
    one, two = sql_file(tmp_path, "SELECT 1", "1.sql"), sql_file(tmp_path, "SELECT 2", "2.sql")

    assert fingerprint([one, two]) != fingerprint([two, one])


def test_a_callable_is_known_by_its_name_and_code() -> None:
    def closure(name: str) -> Any:
        def apply(_url: str) -> None:
            print(name)

        return apply

    assert fingerprint(fill) == fingerprint(fill)
    assert fingerprint(closure("a")) == fingerprint(closure("a"))
    assert fingerprint(closure("a")) != fingerprint(closure("b"))
    assert fingerprint(lambda url: url) != fingerprint(lambda url: url + "x")
    assert fingerprint(functools.partial(fill, "a")) != fingerprint(functools.partial(fill, "b"))


def test_a_callable_may_bring_its_own_fingerprint() -> None:
    def apply(_url: str) -> None: ...

    apply.fingerprint = "v1"  # type: ignore[attr-defined]
    before = fingerprint(apply)
    apply.fingerprint = "v2"  # type: ignore[attr-defined]

    assert fingerprint(apply) != before
