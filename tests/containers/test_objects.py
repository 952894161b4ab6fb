"""Any Testcontainers object is a server of the run: its own methods work everywhere."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.lifecycle.events import Events, listening
from tests.lifecycle.runs import Launched
from tests.lifecycle.test_deaths import kill_both

NGINX = "nginx:1.26.3"
QUIET = ("-W", "ignore::DeprecationWarning")
"""The library's own module for nginx uses what it calls deprecated."""
PLAIN = f"""
import pytest
from testcontainers.core.container import DockerContainer
from wflo_testkit import ready

@pytest.fixture(scope="session")
def proxy(wflo_container):
    nginx = DockerContainer("{NGINX}").with_exposed_ports(80).with_env("COLOUR", "green")
    return wflo_container(nginx, name="proxy", ready=ready.http("/"))
"""
MODULE = f"""
import pytest
from testcontainers.community.nginx import NginxContainer

@pytest.fixture(scope="session")
def proxy(wflo_container):
    return wflo_container(NginxContainer("{NGINX}"))
"""
USES = """
import pytest
from urllib.request import urlopen

@pytest.mark.parametrize("n", range(9))
def test(proxy, n, record_property):
    address = f"http://{proxy.get_container_host_ip()}:{proxy.get_exposed_port(80)}"
    assert urlopen(address).status == 200
    code, said = proxy.exec("nginx -v")
    assert code == 0 and b"nginx" in said
    assert proxy.get_wrapped_container().id == proxy.wflo.container_id
    assert proxy.wflo.url == proxy.wflo.urls["80"]
    assert proxy.wflo.state == "running"
"""


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


def run_of(result: pytest.RunResult) -> str:
    """Return the id of the run."""
    [line] = [each for each in result.outlines if each.startswith("wflo-testkit: ")]
    return line.partition(", run ")[2].partition(",")[0]


def created(events: Events, result: pytest.RunResult) -> Counter[str]:
    """Return what a run has created, without its reaper."""
    found = events.created(run_of(result))
    del found["reaper"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("conftest", [PLAIN, MODULE], ids=["plain", "a module's own class"])
def test_it_is_started_once_for_all_workers(run_suite: Run, events: Events, conftest: str) -> None:
    result = run_suite(USES, "-n", "3", *QUIET, conftest=conftest)

    result.assert_outcomes(passed=9)
    assert created(events, result) == {"proxy" if conftest is PLAIN else "nginx": 1}


@pytest.mark.slow
def test_the_library_starts_no_reaper_of_its_own_and_none_of_its_labels_stays(
    run_suite: Run,
) -> None:
    suite = """
    import docker

    def test(proxy):
        client = docker.from_env()
        mine = client.containers.get(proxy.wflo.container_id)
        own = [each for each in mine.labels if each.startswith("org.testcontainers")]
        assert own == []
        assert mine.labels["dev.wflo.testkit"] == "server"
        assert mine.attrs["NetworkSettings"]["Ports"]["80/tcp"][0]["HostIp"] == "127.0.0.1"
        from testcontainers.core.container import Reaper
        assert Reaper._instance is None
        client.close()

    def test_its_environment(proxy):
        assert "COLOUR=green" in proxy.get_wrapped_container().attrs["Config"]["Env"]

    def test_others_reach_it_by_name(proxy, wflo_container):
        ask = "import urllib.request as r; print(r.urlopen('http://proxy').status)"
        job = wflo_container("job", image="python:3.13-slim", command=["python", "-c", ask],
                             ready="done")
        assert job.logs() == "200\\n"
        assert "GET / HTTP/1.1" in proxy.wflo.logs()

    def test_it_keeps_its_address(proxy):
        port = proxy.get_exposed_port(80)
        proxy.wflo.restart()
        assert proxy.get_exposed_port(80) == port
        from urllib.request import urlopen
        assert proxy.wflo.url == f"tcp://127.0.0.1:{port}"
        assert urlopen(f"http://127.0.0.1:{port}").status == 200
    """
    run_suite(suite, conftest=PLAIN).assert_outcomes(passed=4)


@pytest.mark.slow
def test_a_table_names_a_callable_that_returns_one(run_suite: Run, events: Events) -> None:
    result = run_suite(
        USES.replace("proxy", "proxy_server"),
        "-n",
        "2",
        pyproject="""
        [tool.pytest.ini_options]
        pythonpath = ["."]
        [tool.wflo-testkit.servers.proxy]
        object = "things:proxy"
        ready = { http = "/" }
        """,
        files={
            "things.py": f"""
            from testcontainers.core.container import DockerContainer

            def proxy():
                return DockerContainer("{NGINX}").with_exposed_ports(80)
            """
        },
    )

    result.assert_outcomes(passed=9)
    assert created(events, result) == {"proxy": 1}


FAILING = f"""
import pytest
from testcontainers.core.container import DockerContainer

class Odd(DockerContainer):
    def start(self):
        super().start()
        raise ValueError("the licence has expired")

@pytest.fixture(scope="session")
def odd(wflo_container):
    return wflo_container(Odd("{NGINX}").with_exposed_ports(80))
"""


@pytest.mark.slow
def test_one_that_does_not_start_is_an_error_with_its_log(run_suite: Run, events: Events) -> None:
    suite = """
    import pytest

    @pytest.mark.parametrize("n", range(4))
    def test(odd, n): ...
    """
    result = run_suite(suite, "-n", "2", conftest=FAILING)

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        ["*Odd (nginx:1.26.3) did not start*", "*ValueError: the licence has expired*"]
    )
    assert created(events, result) == {"odd": 1}


@pytest.mark.slow
def test_two_of_one_class_need_names(run_suite: Run) -> None:
    conftest = (
        PLAIN
        + f"""
@pytest.fixture(scope="session")
def other(wflo_container):
    return wflo_container(DockerContainer("{NGINX}").with_exposed_ports(8080), name="proxy")
"""
    )
    result = run_suite("def test(proxy, other): ...", conftest=conftest)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*two different containers are called 'proxy'*"])


RESTS = """
import conftest

def test(proxy):
    conftest.here()
    rest()
"""


@pytest.mark.slow
def test_nothing_is_left_after_a_kill(
    tmp_path: Path, fresh_environment: pytest.MonkeyPatch
) -> None:
    conftest = f"here = ready\n{PLAIN}"
    texts = {
        "test_it.py": RESTS.replace("    rest()", "    conftest.rest()"),
        "conftest.py": conftest,
    }
    run = Launched(tmp_path / "run", texts, variables={})
    try:
        run.await_ready()
        kill_both(run)

        run.seconds_until_gone(20)
    finally:
        run.end()


@pytest.mark.slow
def test_a_run_leaves_nothing(run_suite: Run, events: Events) -> None:
    result = run_suite(USES, conftest=PLAIN)

    result.assert_outcomes(passed=9)
    left = ["docker", "ps", "-aq", "--filter", f"name={run_of(result)}"]
    assert subprocess.run(left, capture_output=True, text=True, check=True).stdout == ""
