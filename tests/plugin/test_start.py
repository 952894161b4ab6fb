"""Servers start when they are needed, side by side, and not before."""

from __future__ import annotations

import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator

import pytest

from tests.conftest import Run
from tests.docker_state import docker_state

PAIR = """
def test_plain():
    pass

def test_cached(redis_client):
    redis_client.ping()
"""


@pytest.fixture
def calls(fresh_environment: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The calls at a daemon that answers none; the one that the suites are told to use."""
    calls: list[str] = []

    class Note(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            calls.append("called")

    with tempfile.TemporaryDirectory(prefix="daemon-", dir="/tmp") as folder:
        path = f"{folder}/docker.sock"
        fresh_environment.setenv("DOCKER_HOST", f"unix://{path}")
        with socketserver.ThreadingUnixStreamServer(path, Note) as daemon:
            threading.Thread(target=daemon.serve_forever, daemon=True).start()
            yield calls
            daemon.shutdown()


@pytest.mark.parametrize(
    "options",
    [
        "--collect-only",
        "-k plain",
        "--setup-plan",
        "--fixtures",
        pytest.param("--wflo-specs=json", marks=pytest.mark.slow),
        "-k plain -n 2",
    ],
)
def test_nothing_touches_docker_unless_a_selected_test_needs_it(
    run_suite: Run, calls: list[str], options: str
) -> None:
    result = run_suite(PAIR, "--wflo-require", *options.split())

    assert (result.ret, calls) == (0, [])


def test_a_call_at_docker_would_be_noticed(run_suite: Run, calls: list[str]) -> None:
    result = run_suite(PAIR, "--wflo-require")

    result.assert_outcomes(passed=1, errors=1)
    assert calls


def test_a_run_starts_only_what_its_tests_use(run_suite: Run, pytester: pytest.Pytester) -> None:
    result = run_suite(PAIR, "--wflo-report=report.json")

    result.assert_outcomes(passed=2)
    report = json.loads((pytester.path / "report.json").read_text())
    assert [row["name"] for row in report["services"]] == ["redis"]


@pytest.mark.slow
def test_servers_that_later_tests_need_start_while_earlier_ones_run(run_suite: Run) -> None:
    result = run_suite(
        """
        import docker
        from wflo_testkit import wait_until

        def test_first():
            client = docker.from_env()
            try:
                label = {"label": f"dev.wflo.testkit.run={RUN}"}
                def names():
                    return {c["Labels"]["dev.wflo.testkit.server"]
                            for c in client.api.containers(filters=label)}
                wait_until(lambda: names() >= {"redis", "postgres"}, timeout=20)
            finally:
                client.close()

        def test_later(redis_database, postgres_database):
            pass
        """,
        conftest="""
        def pytest_report_header(config):
            return None

        def pytest_collection_modifyitems(config, items):
            from wflo_testkit.plugin.process import PROCESS
            items[0].module.RUN = config.stash[PROCESS].run
        """,
    )
    result.assert_outcomes(passed=2)


LISTS_ITSELF = """
import docker, pytest

@pytest.fixture(autouse=True, scope="session")
def list_what_this_run_made(redis_server, postgres_server):
    assert redis_server.network == postgres_server.network
    yield
    client = docker.from_env()
    run = client.containers.get(redis_server.container_id).labels["dev.wflo.testkit.run"]
    names = ("/wflo-redis-", "/wflo-postgres-", "/wflo-reaper-")
    # Not `containers.list`, which inspects each: those of other runs may go meanwhile.
    mine = [c["Id"] for c in client.api.containers(all=True)
            for name in c["Names"] or () if name.startswith(names) and run in name]
    mine += [n.id for n in client.networks.list() if n.name == f"wflo-{run}"]
    client.close()
    with open("made.txt", "w") as file:
        file.write(" ".join(mine))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("body", "passed"), [("pass", 1), ("assert False", 0)])
def test_nothing_is_left_behind(
    run_suite: Run, pytester: pytest.Pytester, body: str, passed: int
) -> None:
    source = f"def test(redis_client, postgres_session):\n    {body}\n"
    result = run_suite(source, conftest=LISTS_ITSELF)
    made = (pytester.path / "made.txt").read_text().split()

    result.assert_outcomes(passed=passed, failed=1 - passed)
    assert len(made) == 4, "two servers, their reaper and their network"
    assert not set(made) & set(docker_state())
