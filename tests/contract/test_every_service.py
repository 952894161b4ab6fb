"""What holds for every server: ready at first use, private, reachable from other containers.

A container of the project's own, which tests use as a whole, is one like the others.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.conftest import Run
from tests.containers import programs
from tests.containers.programs import python
from tests.lifecycle.runs import Launched
from tests.lifecycle.test_deaths import kill_both
from wflo_testkit import Server, ready
from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.services import table
from wflo_testkit.wait import wait_until


@dataclass(frozen=True)
class Case:
    """One service as a test sees it.

    lease: suffix of its handle's fixture. use: leaves a trace under a fixed name, and fails if a
    trace of that name is there already. inside: a shell command that uses the handle's
    internal_env() from another container.
    """

    lease: str
    use: Callable[[Any], None]
    inside: str


def use_postgres(handle: Any) -> None:
    import psycopg

    with psycopg.connect(handle.url) as connection:
        connection.execute("create table trace (id int primary key)")


def use_redis(handle: Any) -> None:
    import redis

    with redis.Redis.from_url(handle.url) as client:
        assert client.set(handle.prefix + "trace", "1", nx=True)


def use_kafka(handle: Any) -> None:
    from kafka import KafkaProducer

    topic = handle.create("trace")
    producer = KafkaProducer(bootstrap_servers=handle.bootstrap_servers)
    try:
        assert producer.send(topic, b"x").get(timeout=10).offset == 0
    finally:
        producer.close()


def use_temporal(handle: Any) -> None:
    import asyncio

    async def start() -> None:
        client = await handle.connect()
        await client.start_workflow("Trace", id="trace", task_queue=handle.task_queue("none"))
        await client.get_workflow_handle("trace").terminate()

    asyncio.run(start())


def use_container(server: Any) -> None:
    assert urlopen(server.url).status == 200


CASES = {
    "postgres": Case("database", use_postgres, 'psql "$DATABASE_URL" -Atc "select 42"'),
    "redis": Case(
        "database", use_redis, 'test "$(redis-cli -u "$REDIS_URL" ping)" = PONG && echo 42'
    ),
    "kafka": Case(
        "topics",
        use_kafka,
        '/opt/kafka/bin/kafka-get-offsets.sh --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" '
        "> /dev/null && echo 42",
    ),
    "temporal": Case(
        "namespace",
        use_temporal,
        'temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" '
        '--address "$TEMPORAL_ADDRESS" > /dev/null && echo 42',
    ),
}
"""Those of which each test has a part."""
EVERY = CASES | {
    "contract_page": Case(
        "server",
        use_container,
        "python -c \"import os, urllib.request as r; r.urlopen(os.environ['CONTRACT_PAGE_URL'])\""
        " && echo 42",
    ),
}
"""Containers of the project's own besides, which tests use as a whole."""
every_server = pytest.mark.parametrize("name", EVERY)


@pytest.fixture(scope="session")
def contract_page_server(wflo_container: Callable[..., Server]) -> Server:
    """A container of one's own."""
    return wflo_container(
        "contract_page",
        **python(programs.WEB),
        ports={"http": 8000},
        environment={"KEY": "{password}"},
        ready=ready.http(),
    )


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, name: str) -> Server:
    return request.getfixturevalue(f"{name}_server")


@pytest.fixture
def handle(request: pytest.FixtureRequest, name: str) -> Any:
    return request.getfixturevalue(f"{name}_{EVERY[name].lease}")


def test_every_service_of_the_kit_is_held_to_this() -> None:
    assert set(CASES) == set(table())


@every_server
@pytest.mark.parametrize("time", ["first", "second", "third"])
def test_it_is_ready_at_first_use_and_empty_every_time(name: str, handle: Any, time: str) -> None:
    EVERY[name].use(handle)


@every_server
def test_the_server_survives_json(server: Server) -> None:
    assert type(server).from_json(json.loads(json.dumps(server.to_json()))) == server


@every_server
def test_the_password_is_not_shown(server: Server) -> None:
    assert not server.password or server.password not in repr(server)


@every_server
def test_it_listens_on_loopback_only(server: Server) -> None:
    shown = subprocess.run(
        ["docker", "inspect", "-f", "{{json .NetworkSettings.Ports}}", server.container_id],
        capture_output=True,
        text=True,
        check=True,
    )
    published = [each for binding in json.loads(shown.stdout).values() for each in binding or ()]

    assert published
    assert {each["HostIp"] for each in published} == {"127.0.0.1"}


@every_server
def test_logs_are_there_from_the_start(server: Server) -> None:
    # Docker stores a line a moment after the server wrote it.
    wait_until(lambda: server.logs().strip(), timeout=20, describe="a line is logged")


def test_another_lease_does_not_start_another_server(
    request: pytest.FixtureRequest, name: str, server: Server, handle: Any
) -> None:
    assert request.config.stash[PROCESS].session.server(name).container_id == server.container_id


def test_the_same_description_does_not_start_another_container(
    contract_page_server: Any, wflo_container: Callable[..., Any]
) -> None:
    words = {"ports": {"http": 8000}, "environment": {"KEY": "{password}"}}
    again = wflo_container("contract_page", **python(programs.WEB), **words, ready=ready.http())

    assert again.container_id == contract_page_server.container_id


OWN_SERVER = """
import subprocess
import pytest
from wflo_testkit.plugin.process import PROCESS

seen = {{}}

@pytest.fixture
def servers(request):
    label = f"label=dev.wflo.testkit.run={{request.config.stash[PROCESS].run}}"
    words = ["docker", "ps", "--quiet", "--filter", label]
    return lambda: set(subprocess.check_output(words, text=True).split())

def test_shared({fixture}, servers):
    seen["shared"] = servers()

@pytest.mark.wflo({name}="own_server")
def test_alone({fixture}, servers):
    assert len(servers() - seen["shared"]) == 1

def test_afterwards({fixture}, servers):
    assert servers() == seen["shared"]
"""
PAGE = """
[tool.wflo-testkit.servers.contract_page]
image = "python:3.13-slim"
command = ["sh", "-c", "echo WARNING the page is thin; exec python -m http.server"]
init = true
ports = { http = 8000 }
ready = "http"
"""


@pytest.mark.parametrize(
    "name", ["contract_page", *(pytest.param(name, marks=pytest.mark.slow) for name in CASES)]
)
def test_own_server_gives_one_test_a_server_that_is_gone_afterwards(
    run_suite: Run, name: str
) -> None:
    suite = OWN_SERVER.format(name=name, fixture=f"{name}_{EVERY[name].lease}")
    result = run_suite(suite, pyproject=PAGE)

    result.assert_outcomes(passed=3)


def fixtures_of(name: str) -> str:
    """Return the parameters of a test that uses both the handle and the server."""
    return ", ".join(dict.fromkeys([f"{name}_{EVERY[name].lease}", f"{name}_server"]))


FAILS = """
def test({fixtures}, request):
    import subprocess, sys
    from wflo_testkit.plugin.process import PROCESS
    from wflo_testkit.wait import wait_until

    wait_until({name}_server.logs, timeout=30)  # each greets; some only when they answer already
    ps = [sys.executable, "-m", "wflo_testkit.cli.main", "ps"]
    lines = subprocess.check_output(ps, text=True).splitlines()
    row = ["{name}", "server", request.config.stash[PROCESS].run]
    assert row in [line.split()[:3] for line in lines], lines
    assert not {name}_server.container_id
"""


@pytest.mark.slow
@every_server
def test_ps_lists_it_and_a_failed_tests_report_has_its_log(run_suite: Run, name: str) -> None:
    suite = FAILS.format(name=name, fixtures=fixtures_of(name))
    result = run_suite(suite, pyproject=PAGE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*assert not *container_id", f"* {name} log since the test began *"]
    )


@pytest.mark.slow
@pytest.mark.usefixtures("own_kept_servers")
@every_server
def test_with_reuse_it_outlives_the_run(
    run_suite: Run, pytester: pytest.Pytester, name: str
) -> None:
    suite = f"""
    def test({fixtures_of(name)}):
        with open("ids", "a") as ids:
            print({name}_server.container_id, file=ids)
    """
    for _run in range(2):
        run_suite(suite, pyproject=PAGE).assert_outcomes(passed=1)

    first, second = (pytester.path / "ids").read_text().split()
    assert first == second


@pytest.mark.slow
@every_server
def test_nothing_of_it_is_left_when_all_are_killed(
    tmp_path: Path, fresh_environment: pytest.MonkeyPatch, name: str
) -> None:
    suite = f"""
    from conftest import ready, rest

    def test({name}_{EVERY[name].lease}):
        ready()
        rest()
    """
    texts = {"test_it.py": suite, "pyproject.toml": PAGE}
    run = Launched(tmp_path / "run", texts, "-p", "no:randomly", variables={})
    try:
        run.await_ready()
        kill_both(run)
        run.seconds_until_gone()
    finally:
        run.end()


@every_server
def test_handles_and_servers_say_how_to_reach_them(server: Server, handle: Any) -> None:
    for each in (server, handle):
        assert each.env()
        assert set(each.env()) == set(each.internal_env())
        assert all(isinstance(value, str) for value in each.env().values())
        assert server.internal_host in " ".join(each.internal_env().values())


@every_server
def test_another_container_uses_the_internal_addresses(
    name: str, server: Server, handle: Any
) -> None:
    variables = [f"--env={key}={value}" for key, value in handle.internal_env().items()]
    done = subprocess.run(
        [
            *("docker", "run", "--rm", f"--network={server.network}"),
            *(*variables, "--entrypoint=sh", server.image, "-c", EVERY[name].inside),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr
