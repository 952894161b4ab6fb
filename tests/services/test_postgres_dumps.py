"""The dump of a database that tests go on to use is of the moment at which one of them failed."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.services.asker import Asker, asker
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Grant


@pytest.fixture
def postgres(service_core: Broker) -> Asker:
    return asker(service_core, "postgres")


def url(own: Asker, grant: Grant) -> str:
    data, server = grant.data, own.server
    return (
        f"postgresql://{data['user']}:{data['password']}@{server.host}:{server.port}"
        f"/{data['database']}"
    )


@pytest.mark.slow
def test_whatever_is_asked_of_the_lease_next_comes_after_its_dump(
    postgres: Asker, tmp_path: Path
) -> None:
    ask = Ask(key=postgres.server.key, kind="database", mode="", params={"schema": ""})
    grant = postgres.broker.lease(ask)
    assert isinstance(grant, Grant)
    with psycopg.connect(url(postgres, grant), autocommit=True) as one:
        one.execute("CREATE TABLE evidence AS SELECT 'it was me' AS fact")
        assert postgres.broker.dump(grant.id, str(tmp_path / "t" / "shop"), True) is True
        (tmp_path / "t").mkdir()
        left = postgres.broker.call(grant.id, "end_sessions", {})
        dumped = (tmp_path / "t" / "shop.sql").read_text()

    assert "it was me" in dumped
    assert [each for each in left if "pg_dump" in each] == []
    with psycopg.connect(url(postgres, grant), autocommit=True) as one:  # it goes on
        one.execute("DROP TABLE evidence")
    assert postgres.broker.release(grant.id, False) == []


@pytest.mark.slow
def test_a_table_that_is_locked_costs_five_seconds_and_a_note(
    postgres: Asker, service_core: Broker, tmp_path: Path
) -> None:
    ask = Ask(key=postgres.server.key, kind="database", mode="", params={"schema": ""})
    grant = postgres.broker.lease(ask)
    assert isinstance(grant, Grant)
    with psycopg.connect(url(postgres, grant)) as one:
        one.execute("CREATE TABLE evidence (fact text)")
        one.commit()
        one.execute("LOCK TABLE evidence")
        assert postgres.broker.dump(grant.id, str(tmp_path / "shop"), True) is True
        service_core.dumps.close()
        one.rollback()
    postgres.broker.release(grant.id, False)

    assert any("shop.sql is missing: pg_dump" in note for note in service_core.dumps.notes())
    assert list(tmp_path.iterdir()) == []
