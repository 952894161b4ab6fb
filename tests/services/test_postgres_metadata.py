"""A MetaData that changes in the run is a new schema; listeners that ask the database are run."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql

from tests.services.postgres_server import Asker, asker, query, server, shared_isolation
from wflo_testkit.services.postgres.schema import schema_of
from wflo_testkit.services.postgres.schema import tables as module
from wflo_testkit.services.postgres.schema.outline import Outline

__all__ = ["asker", "server", "shared_isolation"]

EXTENSION = "SELECT count(*) FROM pg_extension WHERE extname = 'citext'"


def tables() -> sa.MetaData:
    made = sa.MetaData()
    sa.Table("shops", made, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table(
        "orders",
        made,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), server_default=sa.text("'x'")),
        sa.Column("state", sa.Enum("new", "paid", name="state")),
        sa.Column("tags", postgresql.ARRAY(sa.String(5))),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("shop", sa.ForeignKey("shops.id", ondelete="CASCADE")),
        sa.Column("total", sa.Integer, sa.Computed("price * 2", persisted=True)),
        sa.Column("number", sa.Integer, sa.Identity(start=5)),
        sa.CheckConstraint("price > 0", name="positive"),
        sa.Index("by_name", "name"),
        comment="all of them",
    )
    return made


def orders(made: sa.MetaData) -> sa.Table:
    return made.tables["orders"]


def put(column: str, **values: Any) -> Callable[[sa.MetaData], object]:
    def change(made: sa.MetaData) -> None:
        for name, value in values.items():
            setattr(orders(made).c[column], name, value)

    return change


def put_type(column: str, name: str, value: Any) -> Callable[[sa.MetaData], object]:
    return lambda made: setattr(orders(made).c[column].type, name, value)


def constraint(made: sa.MetaData, kind: type) -> Any:
    return next(each for each in orders(made).constraints if isinstance(each, kind))


def index(made: sa.MetaData) -> sa.Index:
    [found] = orders(made).indexes
    return found


def said(_target: Any, connection: Any, **_more: Any) -> None:
    connection.execute(sa.text("SELECT 1"))


def new_enum(made: sa.MetaData) -> None:
    sa.Table(
        "orders",
        made,
        sa.Column("state", sa.Enum("new", "gone", name="states")),
        extend_existing=True,
    )


CHANGES: dict[str, Callable[[sa.MetaData], object]] = {
    "a table more": lambda made: sa.Table("later", made, sa.Column("id", sa.Integer)),
    "a table less": lambda made: made.remove(made.tables["shops"]),
    "a column more": lambda made: orders(made).append_column(sa.Column("more", sa.Text)),
    "a column replaced": lambda made: orders(made).append_column(
        sa.Column("name", sa.Text), replace_existing=True
    ),
    "a type": put("name", type=sa.Text()),
    "a length": put_type("name", "length", 60),
    "a precision": put_type("price", "scale", 3),
    "the type inside an array": lambda made: setattr(
        orders(made).c.tags.type.item_type, "length", 6
    ),
    "an enum value": lambda made: orders(made).c.state.type.enums.append("gone"),
    "an enum replaced": new_enum,
    "a default": put("name", server_default=sa.DefaultClause("y")),
    "a default's text": lambda made: setattr(orders(made).c.name.server_default, "arg", "y"),
    "a default taken away": put("name", server_default=None),
    "nullable": put("price", nullable=True),
    "a comment": put("name", comment="of the order"),
    "a table's comment": lambda made: setattr(orders(made), "comment", "some"),
    "a name": put("name", name="title"),
    "an identity": lambda made: setattr(orders(made).c.number.identity, "start", 6),
    "a computed column's text": lambda made: setattr(
        orders(made).c.total.computed.sqltext, "text", "price * 3"
    ),
    "a constraint more": lambda made: orders(made).append_constraint(
        sa.UniqueConstraint("name", name="once")
    ),
    "a constraint less": lambda made: orders(made).constraints.discard(
        constraint(made, sa.CheckConstraint)
    ),
    "a constraint's text": lambda made: setattr(
        constraint(made, sa.CheckConstraint).sqltext, "text", "price > 1"
    ),
    "a constraint's name": lambda made: setattr(
        constraint(made, sa.CheckConstraint), "name", "more"
    ),
    "what a deleted row does": lambda made: setattr(
        constraint(made, sa.ForeignKeyConstraint), "ondelete", "SET NULL"
    ),
    "an index more": lambda made: sa.Index("by_price", orders(made).c.price),
    "an index's uniqueness": lambda made: setattr(index(made), "unique", True),
    "a schema's name": lambda made: setattr(orders(made), "schema", "shop"),
    "a sequence more": lambda made: sa.Sequence("numbers", metadata=made),
    "a listener": lambda made: event.listen(made, "before_create", said),
    "a table's listener": lambda made: event.listen(orders(made), "after_create", said),
    "another listener": lambda made: (
        event.listen(made, "before_create", said),
        event.listen(made, "before_create", sa.DDL("SELECT 2")),
    ),
    "DDL": lambda made: event.listen(made, "after_create", sa.DDL("SELECT 2")),
}


def fingerprint(made: sa.MetaData) -> str:
    schema = schema_of(made)
    assert schema is not None
    return schema.fingerprint


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_the_run_is_another_schema(name: str) -> None:
    made = tables()
    before = fingerprint(made)
    assert fingerprint(made) == before == fingerprint(tables())
    CHANGES[name](made)

    assert fingerprint(made) != before


@pytest.mark.parametrize("name", CHANGES)
def test_without_the_outline_a_change_in_the_run_is_not_seen(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outline, "is_same", lambda _self: True)
    made = tables()
    before = fingerprint(made)
    CHANGES[name](made)

    assert fingerprint(made) == before


def test_a_listener_of_all_tables_is_seen() -> None:
    made = tables()
    before = fingerprint(made)
    event.listen(sa.Table, "before_create", said)
    try:
        assert fingerprint(made) != before
    finally:
        event.remove(sa.Table, "before_create", said)


def test_what_queries_work_out_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tables()
    before = fingerprint(made)
    table = orders(made)
    str(sa.select(table).where(table.c.name == "a", table.c.price > 1).compile())
    repr(table), table.c.state.type.python_type, made.sorted_tables, table.info
    monkeypatch.setattr(module, "_ddl", None)  # it would be compiled again

    assert fingerprint(made) == before


def test_a_metadata_that_nobody_has_is_forgotten() -> None:
    made = tables()
    fingerprint(made)
    gone = weakref.ref(made)
    del made
    gc.collect()

    assert gone() is None


# -- listeners that ask the database


def driver_sql(_target: Any, connection: Any, **_more: Any) -> None:
    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS citext")


def ask_scalar(_target: Any, connection: Any, **_more: Any) -> None:
    if not connection.scalar(sa.text(EXTENSION)):
        connection.execute(sa.text("CREATE EXTENSION citext"))


def ask_execute(_target: Any, connection: Any, **_more: Any) -> None:
    if connection.execute(sa.text(EXTENSION)).fetchall() == [(0,)]:
        connection.execute(sa.text("CREATE EXTENSION citext"))


def savepoint(_target: Any, connection: Any, **_more: Any) -> None:
    with connection.begin_nested():
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS citext"))


def uses_engine(_target: Any, connection: Any, **_more: Any) -> None:
    assert connection.engine.dialect.name == "postgresql"
    connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS citext"))


def inspects(_target: Any, connection: Any, **_more: Any) -> None:
    assert sa.inspect(connection).get_table_names() == []
    connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS citext"))


def conn_of_driver(_target: Any, connection: Any, **_more: Any) -> None:
    connection.connection.cursor().execute("CREATE EXTENSION IF NOT EXISTS citext")


def plain_ddl(_target: Any, connection: Any, **_more: Any) -> None:
    connection.execute(sa.DDL("CREATE EXTENSION IF NOT EXISTS citext"))


def should_create(_ddl: Any, _target: Any, bind: Any, **_more: Any) -> bool:
    """The recipe of SQLAlchemy's manual, "Controlling DDL Sequences"."""
    return not bind.execute(sa.text(EXTENSION)).scalar()


LISTENERS = {
    each.__name__: each
    for each in (
        *(driver_sql, ask_scalar, ask_execute, savepoint, uses_engine, inspects, conn_of_driver),
        plain_ddl,
    )
} | {"manual": sa.DDL("CREATE EXTENSION citext").execute_if(callable_=should_create)}
STATES_ALL = ("uses_engine", "plain_ddl")
"""Those whose statements a connection shows that cannot answer."""


def with_listener(listener: Any, when: str = "before_create") -> sa.MetaData:
    made = tables()
    event.listen(made, when, listener)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTENERS)
def test_a_listener_that_asks_the_database_is_run_there(asker: Asker, name: str) -> None:
    with asker.database(schema=with_listener(LISTENERS[name])) as handle:
        assert query(handle, EXTENSION) == [(1,)]
        assert query(handle, "SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize("name", LISTENERS)
def test_what_asks_the_database_does_not_last_beyond_the_run(name: str) -> None:
    made = with_listener(LISTENERS[name])
    schema = schema_of(made)
    assert schema is not None

    assert schema.lasts == (name in STATES_ALL)
    assert schema.fingerprint != fingerprint(tables())
    assert schema.fingerprint == fingerprint(with_listener(LISTENERS[name]))


def test_listeners_that_ask_are_told_apart() -> None:
    asking = [name for name in LISTENERS if name not in STATES_ALL]
    found = {fingerprint(with_listener(LISTENERS[name])) for name in asking}
    after = {fingerprint(with_listener(LISTENERS[name], "after_create")) for name in asking}

    assert len(found) == len(asking)
    assert len(after) == len(asking)


@pytest.mark.parametrize("name", ["a type", "an enum value", "a default", "a comment", "nullable"])
def test_a_change_is_seen_beside_a_listener_that_asks(name: str) -> None:
    made = with_listener(ask_scalar)
    before = fingerprint(made)
    CHANGES[name](made)

    assert fingerprint(made) != before


@pytest.mark.slow
def test_what_cannot_be_compiled_is_told_when_it_is_applied(asker: Asker) -> None:
    bad = sa.MetaData()
    sa.Table("t", bad, sa.Column("id"))
    schema = schema_of(bad)
    assert schema is not None

    assert not schema.lasts
    with pytest.raises(Exception, match="create_all"), asker.database(schema=bad):
        pass
