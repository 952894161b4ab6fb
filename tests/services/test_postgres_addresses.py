"""Addresses survive being written as URLs, whatever characters names and passwords hold."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import create_async_engine

from tests.services.postgres_server import Asker, started
from wflo_testkit.errors import SettingError
from wflo_testkit.services.postgres.address import Address, parse
from wflo_testkit.services.postgres.isolation import PostgresIsolation

# No NUL: neither libpq nor the server takes one. No surrogates: they are no UTF-8.
WORDS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=12
)
ADDRESSES = st.builds(
    Address,
    host=st.sampled_from(["127.0.0.1", "db.example", "::1"]),
    port=st.integers(1, 65535),
    user=WORDS,
    password=WORDS,
    database=WORDS,
    parameters=st.dictionaries(
        st.sampled_from(["options", "application_name", "sslrootcert"]), WORDS, max_size=2
    ),
)
NASTY = "p%40 a/ß:?#[]@&=+%'\"\\$100%"


@given(ADDRESSES)
@settings(deadline=None)
def test_an_address_survives_its_url(address: Address) -> None:
    assert parse(address.url()) == address


@given(ADDRESSES)
@settings(deadline=None)
def test_libpq_reads_the_url_as_meant(address: Address) -> None:
    read = conninfo_to_dict(address.url())

    assert {key: str(value) for key, value in address.keywords().items()} == read


@given(ADDRESSES)
@settings(deadline=None)
def test_sqlalchemy_reads_its_url_as_meant(address: Address) -> None:
    read = sa.make_url(address.sqlalchemy_url("psycopg"))

    assert (read.username, read.password) == (address.user, address.password)
    assert (read.host, read.port) == (address.host, address.port)
    assert read.database == address.database
    assert dict(read.query) == dict(address.parameters)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("postgresql+asyncpg://u:p@h/d?ssl=require", {"sslmode": "require"}),
        ("postgresql+asyncpg://u:p@h/d?prepared_statement_cache_size=0", {}),
        ("postgresql+psycopg2://u:p@h/d?sslmode=disable", {"sslmode": "disable"}),
        ("postgres://u:p@h/d", {}),
    ],
)
def test_sqlalchemys_urls_are_understood(text: str, parameters: dict[str, str]) -> None:
    expected = Address(
        host="h", port=5432, user="u", password="p", database="d", parameters=parameters
    )

    assert parse(text) == expected


def test_what_a_url_leaves_out_is_taken_from_its_query_or_by_default() -> None:
    read = parse("postgresql:///shop?host=db&user=me&password=secret&port=7")

    assert (read.host, read.port, read.user, read.password) == ("db", 7, "me", "secret")
    assert parse("postgresql://me@db").database == "me"


@pytest.mark.parametrize(
    "text",
    [
        "mysql://u:hidden@h/d",
        "postgresql://u:hidden@h:port/d",
        "postgresql://u:hidden@h:99999/d",
        "postgresql://u:hidden@a,b/d",
        "postgresql://:hidden@h/d",
        "postgresql://h/d",
        "postgresql://[::1/d",
        "postgresql:///d?host=h&user=u&port=x",
        "postgresql://u:hidden/more@h/d",
        "nonsense",
    ],
)
def test_an_address_that_cannot_be_used_is_explained_without_its_password(text: str) -> None:
    with pytest.raises(SettingError, match="postgres_url") as caught:
        parse(text)

    assert "hidden" not in caught.value.text
    assert "postgresql://user:password@host:port/database" in caught.value.text


def test_nasty_names_and_passwords_work_on_a_real_server() -> None:
    async def answer(url: str) -> object:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            found = await connection.scalar(sa.text("SELECT current_user || current_database()"))
        await engine.dispose()
        return found

    user = "Ünser User %s"  # quotes are refused by initdb
    with started(NASTY, user=user) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute('CREATE DATABASE "a/b?c%20d"')
        place = server.address
        address = Address(
            host=place.host,
            port=place.port,
            user=user,
            password=NASTY,
            database="a/b?c%20d",
            parameters={"options": "-cwork_mem=77kB"},
        )
        for driver in ("asyncpg", "psycopg"):
            found = asyncio.run(answer(address.sqlalchemy_url(driver)))
            assert found == f"{user}a/b?c%20d"
        with psycopg.connect(address.url()) as connection:
            assert connection.execute("SHOW work_mem").fetchone() == ("77kB",)
        isolation = PostgresIsolation(server, "Run %/1")
        with Asker(isolation, server, sa.MetaData()).database(mode="schema") as handle:
            assert psycopg.connect(handle.url).close() is None
        isolation.close()
