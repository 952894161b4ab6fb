"""The oldest and the newest server that the kit is held to; what else runs on both says so itself.

See VERSIONS and RECYCLING in postgres_server.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.images_at_hand import image_of
from tests.services.postgres_server import RECYCLING, Asker, query, started, version
from wflo_testkit import catalog
from wflo_testkit.services.postgres.isolation import PostgresIsolation

TABLES = sa.MetaData()
sa.Table("orders", TABLES, sa.Column("id", sa.Integer, primary_key=True))


def figures(name: str) -> dict[str, int]:
    """Let three tests write to their databases; return how many of those were given out again."""
    with started(version=name) as server:
        isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
        asker = Asker(isolation, server, TABLES)
        try:
            for _each in range(3):
                with asker.database() as handle:
                    query(handle, "INSERT INTO orders VALUES (1)")
            return asker.settled()
        finally:
            isolation.close()


@pytest.mark.parametrize("name", RECYCLING)
def test_used_databases_are_given_out_again_where_counters_can_be_trusted(name: str) -> None:
    assert figures(name) == {"recycled": 3, "replaced": 0}


@pytest.mark.parametrize("name", [version("postgres-13")])
def test_elsewhere_each_is_replaced(name: str) -> None:
    assert figures(name) == {"recycled": 0, "replaced": 3}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["postgres-13", "postgres-18"])
def test_the_contract_of_all_services_holds(
    root: Path, fresh_environment: pytest.MonkeyPatch, name: str
) -> None:
    """By the published name, as users write it: a stand-in serves where that is not here."""
    image_of(name)
    options = ["-k", "postgres", f"--wflo-postgres-image={catalog.official(name)}"]
    command = [sys.executable, "-m", "pytest", "tests/contract", "--wflo-require", "-q", *options]
    done = subprocess.run(
        command, cwd=root, env=os.environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    major = name.removeprefix("postgres-")
    assert f"postgres:{major}" in done.stdout
