"""`scoped`: any lease, and any convenience, as a fixture of another scope."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow

EVERY_SCOPE = """
from wflo_testkit import scoped

function_redis = scoped("redis_database", scope="function")
class_redis = scoped("redis_database", scope="class")
module_redis = scoped("redis_database", scope="module")
package_redis = scoped("redis_database", scope="package")
session_redis = scoped("redis_database", scope="session")
run_redis = scoped("redis_database", scope="run")
"""
TELLING = """
from pathlib import Path
from wflo_testkit import scoped

module_redis = scoped("redis_database", scope="module")
WORDS = ("function", "class", "module", "package", "session", "run")

def tell(request, redis_database, leases):
    url = redis_database.url
    found = {word: leases[f"{word}_redis"].url for word in WORDS}
    assert len({url, *found.values()}) == 7, "no two share a part"
    with Path(request.config.rootpath, "told").open("a") as told:
        told.write(" ".join(found.values()) + "\\n")

class TestOne:
    own = scoped("redis_database", scope="class")

    def test_a(self, request, own, redis_database, class_redis, function_redis, module_redis,
               package_redis, session_redis, run_redis):
        assert own.url not in (class_redis.url, module_redis.url)
        tell(request, redis_database, locals())

    def test_b(self, request, redis_database, class_redis, function_redis, module_redis,
               package_redis, session_redis, run_redis):
        tell(request, redis_database, locals())
"""


def test_a_lease_lasts_for_its_scope(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None
) -> None:
    again = TELLING.replace("TestOne", "TestTwo")
    result = run_suite(
        files={
            "a/__init__.py": "",
            "a/conftest.py": EVERY_SCOPE,
            "a/test_1.py": TELLING,
            "a/test_2.py": again,
            "conftest.py": 'package = "the root is none"',
        }
    )

    result.assert_outcomes(passed=4)
    lines = (pytester.path / "told").read_text().splitlines()
    _function, of_class, of_module, *wider = zip(*map(str.split, lines), strict=True)
    for first, second, third, fourth in (of_class, of_module):
        assert first == second
        assert third == fourth
    for urls in wider:
        assert len(set(urls)) == 1


SEEDED = """
import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, select, func
from wflo_testkit import scoped

metadata = MetaData()
visits = Table("visits", metadata, Column("id", Integer, primary_key=True))

def seed(url):
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO visits SELECT generate_series(0, 9)")

shop_database = scoped("postgres_database", scope="session", schema=[metadata, seed])
shop_engine = scoped("postgres_engine", scope="session", on="shop_database")

@pytest.fixture(scope="session")
def app(shop_engine):
    yield shop_engine
    with shop_engine.connect() as connection:  # pytest closes what takes the engine before it
        rows = connection.scalar(select(func.count()).select_from(visits))
        print(f"closed the app with {rows} rows")
"""
WIDENED = """
import pytest
from wflo_testkit import scoped

postgres_database = scoped("postgres_database", scope="module")

@pytest.fixture(scope="session")
def postgres_schema():
    from conftest_of_all import metadata
    return metadata
"""


def test_a_lease_has_its_own_schema_and_what_stands_on_it_is_closed_in_pytests_order(
    run_suite: Run, kept_servers: None
) -> None:
    result = run_suite(
        """
        from conftest_of_all import visits
        from sqlalchemy import insert, select, func

        def rows(engine):
            with engine.connect() as connection:
                return connection.scalar(select(func.count()).select_from(visits))

        def test_the_seed_is_there(app, postgres_empty_database, shop_database):
            assert rows(app) == 10
            with app.begin() as connection:
                connection.execute(insert(visits), {"id": 10})
            assert postgres_empty_database.url != shop_database.url

        def test_what_a_test_wrote_is_there_for_the_next(shop_engine, postgres_database):
            assert rows(shop_engine) == 11
            assert postgres_database.template != shop_engine.url.database
        """,
        "-s",
        conftest="from conftest_of_all import *",
        files={
            "conftest_of_all.py": SEEDED,
            "wide/conftest.py": WIDENED,
            "wide/test_wide.py": """
                from conftest_of_all import visits
                from sqlalchemy import insert, select

                def test_first(postgres_session, postgres_database):
                    postgres_session.execute(insert(visits), {"id": 1})
                    postgres_session.commit()

                def test_second(postgres_engine, postgres_session):
                    assert postgres_session.scalars(select(visits.c.id)).all() == [1]
                """,
        },
    )

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*closed the app with 11 rows", "postgres *, 4 leases *"])


def test_the_plan_shows_which_fixture_takes_which_and_starts_nothing(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch
) -> None:
    fresh_environment.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    result = run_suite(
        """
        def test_1(shop_engine, cart): pass
        """,
        "--setup-plan",
        conftest="""
            from wflo_testkit import scoped
            shop = scoped("orders_database", scope="module")
            shop_engine = scoped("orders_engine", scope="module", on="shop")
            cart = scoped("redis_client", scope="function")
            seeded = scoped("postgres_database", scope="session", schema=None)
            """,
        pyproject='[tool.wflo-testkit.servers.orders]\nservice = "postgres"\n',
    )

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "SETUP    S orders_schema",
            "*SETUP    M shop (fixtures used: orders_schema)",
            "*SETUP    M shop_engine (fixtures used: shop)",
            "*SETUP    F redis_database",
            "*SETUP    F cart (fixtures used: redis_database)",
            "*TEARDOWN F cart",
            "*TEARDOWN M shop_engine",
            "*TEARDOWN M shop",
        ]
    )


def test_what_is_left_open_is_warned_about_with_the_scope_and_a_failed_test_tells_of_the_lease(
    run_suite: Run, kept_servers: None
) -> None:
    result = run_suite(
        """
        import psycopg
        from wflo_testkit import scoped
        shop_database = scoped("postgres_database", scope="module")
        shop_engine = scoped("postgres_engine", scope="module", on="shop_database")
        of_session = scoped("postgres_database", scope="session")
        kept = []

        def test_leaves(shop_database, of_session):
            for each in shop_database, of_session:
                kept.append(psycopg.connect(each.url))
                kept[-1].execute("SELECT 1")  # a transaction: idle ones are told once a run

        def test_leaves_more(shop_engine):
            kept.append(shop_engine.connect())

        def test_fails(shop_engine):
            with shop_engine.connect() as connection:
                connection.exec_driver_sql("SELECT * FROM nowhere")

        def test_fails_otherwise(redis_client):
            assert redis_client.get("nothing")

        def test_is_fine(shop_database): pass
        """,
        "-W",
        "default::wflo_testkit.LeftoverWarning",
        "-rA",
    )

    result.assert_outcomes(passed=3, failed=2, warnings=3)
    text = result.stdout.str()
    assert "test_it.py (shop_engine, scope module): a connection was left open" in text
    assert "test_it.py (shop_database, scope module): " in text
    assert "session (of_session, scope session): " in text
    first, _, second = text.partition("test_fails_otherwise ___")
    assert 'ERROR:  relation "nowhere" does not exist' in first, "the server's own words"
    assert "shop_database: docker exec -it" in first
    assert "shop_database" not in second.partition("warnings summary")[0]


def test_a_failed_set_up_of_a_wide_lease_shows_the_servers_log(
    run_suite: Run, kept_servers: None
) -> None:
    result = run_suite(
        "def test(shop_database): pass",
        conftest="""
            from pathlib import Path
            from wflo_testkit import scoped
            broken = Path(__file__).parent / "broken.sql"
            shop_database = scoped("postgres_database", scope="session", schema=broken)
            """,
        files={"broken.sql": "CREATE TABLE one (id int); SELECT * FROM nowhere;"},
    )

    result.assert_outcomes(errors=1)
    assert 'ERROR:  relation "nowhere" does not exist' in result.stdout.str()


def test_the_marker_of_a_class_or_module_counts_but_for_a_server_of_ones_own(
    run_suite: Run, kept_servers: None
) -> None:
    result = run_suite(
        """
        import pytest
        from wflo_testkit import scoped
        shop = scoped("postgres_database", scope="class")

        @pytest.mark.wflo(postgres="schema")
        class TestInASchema:
            def test_mode(self, shop, postgres_database):
                assert (shop.mode, postgres_database.mode) == ("schema", "schema")

            @pytest.mark.wflo(postgres="database")
            def test_a_tests_own_is_its_own(self, shop, postgres_database):
                assert (shop.mode, postgres_database.mode) == ("schema", "database")

        @pytest.mark.wflo(postgres="own_server")
        class TestWithAServer:
            def test_cannot_be(self, shop): pass
        """
    )

    result.assert_outcomes(passed=2, errors=1)
    assert "shop cannot have a server of its own" in result.stdout.str()
    assert "its scope is class" in result.stdout.str()
