"""Leases that pyproject.toml declares: fixtures of their names, and handles without a test."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run

SHOP = """
[tool.pytest.ini_options]
pythonpath = ["."]

[tool.wflo-testkit.leases.shop]
of = "postgres_database"
schema = ["shop.models:Base.metadata", "sql/seed.sql"]
scope = "run"

[tool.wflo-testkit.leases.cart]
of = "redis_database"

[tool.wflo-testkit]
env = { SHOP_URL = "{shop.url}" }
"""
FILES = {
    "shop/__init__.py": "",
    "shop/models.py": """
        from sqlalchemy import Column, Integer, MetaData, Table

        class Base:
            metadata = MetaData()

        visits = Table("visits", Base.metadata, Column("id", Integer, primary_key=True))
        """,
    "sql/seed.sql": "INSERT INTO visits SELECT generate_series(1, 3);",
}
SUITE = """
import psycopg
import pytest
from pathlib import Path
from wflo_testkit import scoped
from wflo_testkit.plugin.process import PROCESS

shop_engine = scoped("postgres_engine", scope="session", on="shop")

def rows(shop):
    with psycopg.connect(shop.url) as connection:
        return connection.execute("SELECT count(*) FROM visits").fetchone()[0]

def tell(request, shop, cart, worker_id):
    with Path(request.config.rootpath, "told").open("a") as told:
        told.write(f"{worker_id} {shop.url} {cart.url}\\n")

@pytest.mark.parametrize("n", range(3))
def test_it_is_there(request, shop, cart, shop_engine, wflo_env, worker_id, n):
    tell(request, shop, cart, worker_id)
    assert rows(shop) == 3
    assert shop_engine.url.database == shop.name
    assert wflo_env == {"SHOP_URL": shop.url}
    session = request.config.stash[PROCESS].session
    assert session.declared_lease("shop") is shop, "made once per process"
    assert session.declared_lease("cart").url == cart.url
    assert request.node.get_closest_marker("postgres") and request.node.get_closest_marker("redis")

def test_it_fails(request, shop, cart, worker_id):
    tell(request, shop, cart, worker_id)
    with psycopg.connect(shop.url) as connection:
        connection.execute("SELECT * FROM nowhere")
"""


@pytest.mark.slow
def test_each_is_a_fixture_and_a_handle_of_the_session(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None
) -> None:
    result = run_suite(SUITE, "-n2", pyproject=SHOP, files=FILES)

    result.assert_outcomes(passed=3, failed=1)
    told = [line.split() for line in (pytester.path / "told").read_text().splitlines()]
    workers = {worker for worker, _, _ in told}
    assert len({shop for _, shop, _ in told}) == 1, "the run's"
    assert len({cart for _, _, cart in told}) == len(workers), "one per worker"
    assert 'ERROR:  relation "nowhere" does not exist' in result.stdout.str(), "its server's log"
    assert "shop: docker exec -it" in result.stdout.str(), "it is kept"


NO_TEST = """
from pathlib import Path
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.plugin.process import PROCESS

release = BrokerClient.release

def noting(self, lease_id, keep, ahead=None):
    Path("released").touch()
    return release(self, lease_id, keep, ahead)

def pytest_collection_finish(session):
    BrokerClient.release = noting
    cart = session.config.stash[PROCESS].session.declared_lease("cart")
    print("internal:", cart.internal_url)

def pytest_sessionfinish():
    assert not Path("released").exists(), "a container may still use it"
"""


@pytest.mark.slow
def test_a_handle_is_to_be_had_without_a_test_and_goes_back_as_the_process_ends(
    run_suite: Run, pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch
) -> None:
    result = run_suite("def test_nothing(): pass", "-s", conftest=NO_TEST, pyproject=SHOP)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*internal: redis://*@redis*"])
    assert (pytester.path / "released").exists()


@pytest.mark.slow
def test_they_are_told_with_what_the_project_runs(run_suite: Run) -> None:
    result = run_suite("", "--wflo-specs=json", pyproject=SHOP)

    assert json.loads(str(result.stdout))["leases"] == {
        "shop": {
            "of": "postgres_database",
            "scope": "run",
            "schema": ["shop.models:Base.metadata", "sql/seed.sql"],
        },
        "cart": {"of": "redis_database", "scope": "worker"},
    }


MISSING = """
[tool.wflo-testkit.leases.shop]
of = "postgres_database"
schema = "{schema}"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("shop.models:Base.metadata", "ModuleNotFoundError: No module named 'shop'"),
        ("json:nothing.here", "AttributeError: module 'json' has no attribute 'nothing'"),
        ("sql/none.sql", "sql/none.sql"),
    ],
)
def test_what_it_contains_and_is_not_there_is_an_error_of_the_tests_that_use_it(
    run_suite: Run, kept_servers: None, schema: str, said: str
) -> None:
    result = run_suite(
        "def test(shop): pass\ndef test_other(): pass", pyproject=MISSING.format(schema=schema)
    )

    result.assert_outcomes(errors=1, passed=1)
    text = result.stdout.str()
    assert f"the schema '{schema}' of the lease 'shop' is not to be had" in text
    assert said in text
    assert "table [tool.wflo-testkit.leases.shop]" in text


@pytest.mark.slow
def test_one_of_the_run_is_refused_where_each_worker_has_its_own_server(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    result = run_suite(
        "def test(shop): pass",
        "-n2",
        pyproject=SHOP.replace('env = { SHOP_URL = "{shop.url}" }', 'postgres_role = "superuser"'),
        files=FILES,
    )

    result.assert_outcomes(errors=1)
    assert "there is no lease of postgres for the whole run" in result.stdout.str()
    assert "each worker has its own server" in result.stdout.str()
