"""What runs make Docker do, as its own events tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.lifecycle.events import Events, listening

NOTING = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    from wflo_testkit.plugin.process import PROCESS
    if not hasattr(config, "workerinput"):
        with open("runs.txt", "a") as file:
            print(config.stash[PROCESS].run, file=file)
"""
SUITE = """
import pytest

def test_plain():
    pass

def test_cached(redis_client):
    redis_client.ping()

@pytest.mark.skip(reason="a skipped test starts nothing")
def test_sent(kafka_topics):
    pass

def test_faked(temporal_client):
    assert temporal_client == "a fake"

@pytest.mark.wflo(postgres="own_server")
def test_on_a_server_of_its_own(postgres_session):
    pass
"""
FAKE = """
@pytest.fixture
def temporal_client():
    return "a fake"
"""


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


class Runs:
    """The ids of the runs so far, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> list[str]:
        return self._path.read_text().split()


@pytest.fixture
def runs(pytester: pytest.Pytester) -> Runs:
    return Runs(pytester.path / "runs.txt")


@pytest.mark.slow
def test_a_run_creates_what_its_selected_tests_use_and_the_reaper(
    run_suite: Run, events: Events, runs: Runs
) -> None:
    suite = {"conftest": NOTING + FAKE}
    none = "plain or sent or faked"
    run_suite(SUITE, "--collect-only", **suite)
    run_suite(SUITE, "-k", none, **suite).assert_outcomes(passed=2, skipped=1)
    run_suite(SUITE, "-k", none, "-n2", **suite).assert_outcomes(passed=2, skipped=1)
    quiet = runs()
    run_suite(SUITE, "-k", "cached", **suite).assert_outcomes(passed=1)
    one = runs()[-1]
    run_suite(SUITE, "-k", "cached or own", "-n2", **suite).assert_outcomes(passed=2)
    two = runs()[-1]

    assert events.created(one) == {"redis": 1, "reaper": 1}
    assert events.created(two) == {"redis": 1, "postgres": 1, "reaper": 1}
    # The news of the later ones came, so that of these would have come before.
    assert [events.created(run) for run in quiet] == [{}] * 3


BROKEN = """
[tool.wflo-testkit.servers.broken]
service = "redis"
image = "testcontainers/ryuk:0.14.0"
"""


@pytest.mark.slow
def test_an_image_that_does_not_start_fails_its_own_tests_once_with_one_message(
    run_suite: Run, events: Events, runs: Runs
) -> None:
    result = run_suite(
        """
        import pytest

        @pytest.mark.parametrize("n", range(3))
        def test_broken(broken_client, n):
            pass

        @pytest.mark.parametrize("n", range(3))
        def test_sound(redis_client, n):
            pass
        """,
        "-n",
        "2",
        conftest=NOTING,
        pyproject=BROKEN,
    )
    messages = [line for line in result.outlines if line.startswith("broken (")]

    result.assert_outcomes(passed=3, errors=3)
    assert (len(messages), len(set(messages))) == (3, 1)
    assert events.created(runs()[-1]) == {"redis": 1, "broken": 1, "reaper": 1}


ASKED_LATE = """
def test_fails(request):
    request.getfixturevalue("postgres_database")
    assert False

def test_passes(request):
    assert request.getfixturevalue("redis_client").ping()
"""


@pytest.mark.slow
def test_what_a_test_asks_for_while_it_runs_starts_then_and_is_watched(
    run_suite: Run, events: Events, runs: Runs
) -> None:
    result = run_suite(ASKED_LATE, conftest=NOTING)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*postgres log since the test began*", "(nothing of this test's; *"]
    )
    assert events.created(runs()[-1]) == {"redis": 1, "postgres": 1, "reaper": 1}


FOLDER = """
import pytest

@pytest.fixture(scope="session")
def postgres_schema():
    def apply(url):
        import psycopg
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE {name} (id int)")
    apply.fingerprint = "{name}"
    return apply
"""
TABLES = """
import pytest
from sqlalchemy import inspect

@pytest.mark.parametrize("n", range(2))
def test(postgres_engine, n):
    assert inspect(postgres_engine).get_table_names() == ["{name}"]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [(), ("-n", "2")],
    ids=["serial", "two workers"],
)
def test_two_folders_with_schemas_of_their_own_share_the_server_and_get_theirs(
    run_suite: Run, events: Events, runs: Runs, options: tuple[str, ...]
) -> None:
    files = {
        f"{name}/{file}.py": text.format(name=name)
        for name in ("orders", "users")
        for file, text in (("conftest", FOLDER), (f"test_{name}", TABLES))
    }
    result = run_suite("", *options, conftest=NOTING, files=files)

    result.assert_outcomes(passed=4)
    assert events.created(runs()[-1]) == {"postgres": 1, "reaper": 1}
