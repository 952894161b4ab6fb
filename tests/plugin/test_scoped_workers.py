"""Scopes under xdist: what is one per worker, what is one per run, what a death gives back."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow

CONFTEST = """
import os
from pathlib import Path
import psycopg
import pytest
from wflo_testkit import scoped

HERE = Path(__file__).parent

def schema(url):
    with (HERE / "built").open("a") as built:
        built.write(f"{os.environ['PYTEST_XDIST_WORKER']}\\n")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE visits (worker text)")

cart = scoped("redis_database", scope="session")
module_cart = scoped("redis_database", scope="module")
shop = scoped("postgres_database", scope="run", schema=schema)
shop_session = scoped("postgres_session", scope="session", on="shop")

@pytest.fixture
def tell(worker_id, cart, module_cart, shop, request):
    with (HERE / "told").open("a") as told:
        words = (worker_id, cart.url, module_cart.url, shop.url, request.module.__name__)
        told.write(" ".join(words) + "\\n")
"""
SUITE = """
import pytest
from pathlib import Path
from sqlalchemy import text
from wflo_testkit.wait import wait_until

HERE = Path(__file__).parent

def all_workers_have_come():
    return len({line.split()[0] for line in (HERE / "told").read_text().splitlines()}) == 3

@pytest.mark.parametrize("n", range(4))
def test(n, tell, worker_id, shop_session):
    wait_until(all_workers_have_come, timeout=60)
    shop_session.execute(text(f"INSERT INTO visits VALUES ('{worker_id}')"))
    shop_session.commit()
"""


def told(pytester: pytest.Pytester) -> list[list[str]]:
    return [line.split() for line in (pytester.path / "told").read_text().splitlines()]


@pytest.mark.parametrize("dist", ["load", "loadscope", "worksteal"])
def test_a_session_is_a_workers_and_a_run_is_everybodys(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None, dist: str
) -> None:
    files = {f"test_{name}.py": SUITE for name in "abc"}
    result = run_suite("", "-n3", "--dist", dist, conftest=CONFTEST, files=files)

    result.assert_outcomes(passed=12)
    carts, modules, shops = defaultdict(set), defaultdict(set), set()
    for worker, cart, of_module, shop, module in told(pytester):
        carts[worker].add(cart)
        modules[worker, module].add(of_module)
        shops.add(shop)
    assert len(carts) == 3
    assert all(len(urls) == 1 for urls in carts.values())
    assert len({url for urls in carts.values() for url in urls}) == 3, "no two share one"
    assert len(shops) == 1, "one for the whole run"
    assert len((pytester.path / "built").read_text().splitlines()) == 1, "built once"
    if dist == "loadscope":
        assert all(len(urls) == 1 for urls in modules.values())


def test_the_builder_of_a_runs_lease_may_die_and_another_builds_it(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None
) -> None:
    dies = "    if len((HERE / 'built').read_text().split()) == 1: os._exit(1)\n"
    before = "    with psycopg.connect"
    result = run_suite(
        """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test(n, tell): pass
        """,
        "-n2",
        conftest=CONFTEST.replace(before, dies + before, 1),
    )

    result.assert_outcomes(passed=5, failed=1)
    assert len((pytester.path / "built").read_text().split()) == 2
    assert len({shop for _, _, _, shop, _ in told(pytester)}) == 1


DYING = """
import os
import pytest

@pytest.mark.parametrize("n", range(9))
def test(n, cart, class_cart):
    cart_url, free = cart.url, class_cart.url
    if n % 2:
        os._exit(1)
"""


def test_a_workers_death_gives_back_its_leases_of_every_scope(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    """There is room for those of two workers, and four workers die."""
    fresh_environment.setenv("WFLO_TESTKIT_REDIS_DATABASES", "5")
    result = run_suite(
        DYING,
        "-n2",
        "--max-worker-restart=8",
        conftest="""
            from wflo_testkit import scoped
            cart = scoped("redis_database", scope="session")
            class_cart = scoped("redis_database", scope="class")
            """,
    )

    result.assert_outcomes(passed=5, failed=4)
    assert "crashed while running" in result.stdout.str()


RESETTING = """
import pytest
from pathlib import Path
from wflo_testkit.wait import wait_until

HERE = Path(__file__).parent

def there(name):
    assert (HERE / name).exists()

def test_asks_for_it_with_the_other(shop, worker_id):
    (HERE / worker_id).touch()
    wait_until(lambda: (there("gw0"), there("gw1")), timeout=60)
    try:
        shop.call("reset")
    except Exception as error:
        (HERE / f"{worker_id}.said").write_text(str(error))
    wait_until(lambda: (there("gw0.said"), there("gw1.said")), timeout=60)
"""


def test_a_reset_is_refused_while_two_workers_hold_the_lease(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None
) -> None:
    second = RESETTING.replace("with_the_other", "too")
    result = run_suite(
        "",
        "-n2",
        "--dist=loadfile",
        conftest='from wflo_testkit import scoped\nshop = scoped("postgres_database", scope="run")',
        files={"test_a.py": RESETTING, "test_b.py": second},
    )

    result.assert_outcomes(passed=2)
    for worker in ("gw0", "gw1"):
        said = (pytester.path / f"{worker}.said").read_text()
        assert "cannot be reset while several workers hold it" in said
        assert "gw0 and gw1 hold it" in said
        assert 'scope="session"' in said
