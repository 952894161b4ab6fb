"""`wflo-testkit up`: servers and leases are there without a test, until somebody ends it."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis
from dotenv import dotenv_values

from tests.cli.conftest import empty_project
from tests.docker_state import docker_state
from tests.lifecycle.runs import LIMIT, heed_signals
from tests.reuse.parts import docker, kept_by
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import wait_until

__all__ = ["empty_project"]

PROJECT = """
[tool.wflo-testkit.leases.basket]
of = "redis_database"

[tool.wflo-testkit.servers.web]
image = "python:3.13-slim"
command = "python -u -m http.server 8000"
init = true
ports = { http = 8000 }
environment = { BASKET_URL = "{basket.internal_url}" }
ready = { http = "/" }

[tool.wflo-testkit.servers.idler]
image = "python:3.13-slim"
command = "sleep 100000"
init = true
"""
WAITS = """
from pathlib import Path
from wflo_testkit.wait import wait_until

def test_waits(idler_server):
    Path("began").touch()
    wait_until(Path("go").exists, timeout=60)
    assert idler_server.state == "running"
"""
SECONDS = 60.0
ADDRESSES = "addresses.env"


class Started:
    """A `wflo-testkit up` in the project `folder`."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._said = folder / "said.txt"
        with self._said.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wflo_testkit.cli.main", "up", *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=heed_signals,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def await_line(self, text: str) -> None:
        """Return once it has said `text`."""

        def refuse_the_end() -> None:
            assert self.process.poll() is None, self.said

        wait_until(
            lambda: text in self.said,
            timeout=SECONDS,
            poll=0.05,
            describe=text,
            give_up=refuse_the_end,
        )

    def end(self, number: int = signal.SIGINT) -> int:
        """Send it a signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


Up = Callable[..., Started]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, empty_project: pytest.MonkeyPatch, home: UserFolder) -> Path:
    """The working folder, with a cache folder, and so kept servers, of its own."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "test_waits.py").write_text(WAITS)
    return tmp_path


@pytest.fixture
def up(project: Path) -> Iterator[Up]:
    """up(*words): begin it; returns when all is up, unless `until` is another line, or ""."""
    started: list[Started] = []

    def up(*words: str, until: str = "everything has started") -> Started:
        started.append(Started(project, *words))
        if until:
            started[-1].await_line(until)
        return started[-1]

    yield up
    for each in started:
        if each.process.poll() is None:
            each.end()


def run_of(port: str) -> str:
    """Return the run to which the container that publishes `port` belongs."""
    container = docker("ps", "-q", "--filter", f"publish={port}")
    marks = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", container))
    return str(marks[labels.RUN])


def left_by(run: str, home: UserFolder) -> list[str]:
    return [*docker_state(f"{labels.RUN}={run}"), *kept_by(home)]


def run_tests(folder: Path) -> subprocess.Popen[bytes]:
    """Begin a run with reuse, which says in `run.txt` what it has to."""
    with (folder / "run.txt").open("w") as output:
        return subprocess.Popen([sys.executable, "-m", "pytest", "--wflo-reuse"], stdout=output)


def test_servers_and_leases_are_there_until_ctrl_c_and_then_nothing_is(
    up: Up, project: Path, home: UserFolder
) -> None:
    file = project / ADDRESSES
    running = up("--env-file", ADDRESSES)

    addresses = dotenv_values(file)
    assert list(addresses) == ["WEB_URL", "BASKET_URL"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    web, basket = addresses["WEB_URL"], addresses["BASKET_URL"]
    assert web is not None
    assert basket is not None
    with redis.Redis.from_url(basket) as client, urlopen(web) as answer:
        client.set("tea", 1)
        assert answer.status == 200
    run = run_of(web.rpartition(":")[2])
    assert f"web     {web}\nidler   running\nbasket  redis://" in running.said
    assert client.connection_pool.connection_kwargs["password"] not in running.said
    assert len(kept_by(home)) == 2, "Redis and the idler; the web holds a lease of the run's"

    assert running.end() == 0

    assert left_by(run, home) == []
    assert not file.exists()


@pytest.mark.slow
def test_a_container_has_the_lease_that_is_told(up: Up, project: Path) -> None:
    up("--env-file", ADDRESSES)
    addresses = dotenv_values(project / ADDRESSES)
    web, basket = str(addresses["WEB_URL"]), str(addresses["BASKET_URL"])

    inside = docker("exec", docker("ps", "-q", "--filter", f"publish={web[-5:]}"), "env")

    [line] = [line for line in inside.splitlines() if line.startswith("BASKET_URL=")]
    assert line.rpartition("/")[2] == basket.rpartition("/")[2], "the same database"
    assert line.split("@")[0].partition("://")[2] == basket.split("@")[0].partition("://")[2]


@pytest.mark.slow
def test_a_run_with_reuse_finds_its_servers(up: Up, project: Path, home: UserFolder) -> None:
    running = up("idler")
    before = kept_by(home)
    (project / "go").touch()

    assert run_tests(project).wait(SECONDS) == 0

    assert "idler  reused, found in" in (project / "run.txt").read_text()
    assert kept_by(home) == before
    assert running.end() == 0
    assert kept_by(home) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_another_run_uses_outlives_it_whichever_way_it_ends(
    number: int, up: Up, project: Path, home: UserFolder
) -> None:
    running = up("idler", "web", "--env-file", ADDRESSES)
    run = run_of(str(dotenv_values(project / ADDRESSES)["WEB_URL"]).rpartition(":")[2])
    idler = docker(
        "ps",
        "-q",
        "--no-trunc",
        "--filter",
        "name=wflo-reused-idler",
        "-f",
        f"label={labels.HOME}={home.label}",
    )
    tests = run_tests(project)
    wait_until((project / "began").exists, timeout=SECONDS)

    running.end(number)

    wait_until(lambda: left_by(run, home) == [idler], timeout=LIMIT, poll=0.1)
    (project / "go").touch()
    assert tests.wait(SECONDS) == 0
    assert kept_by(home) == [idler], "until it has been idle for long enough"


@pytest.mark.slow
def test_what_it_has_found_it_leaves(up: Up, project: Path, home: UserFolder) -> None:
    (project / "go").touch()
    assert run_tests(project).wait(SECONDS) == 0
    before = kept_by(home)

    assert up("idler").end() == 0

    assert len(before) == 1
    assert kept_by(home) == before


@pytest.mark.slow
def test_the_addresses_of_one_that_was_killed_are_written_over(up: Up, project: Path) -> None:
    killed = up("idler", "--env-file", ADDRESSES)
    killed.end(signal.SIGKILL)
    before = (project / ADDRESSES).read_text()

    up("web", "--env-file", ADDRESSES)

    assert before.count("\n") == 1, "the idler has no address"
    assert "WEB_URL=http" in (project / ADDRESSES).read_text()


@pytest.mark.slow
def test_two_do_not_share_a_file_of_addresses(up: Up, project: Path) -> None:
    first = up("web", "--env-file", ADDRESSES)
    before = (project / ADDRESSES).read_text()

    second = up("idler", "--env-file", ADDRESSES, until="")

    assert second.process.wait(SECONDS) == 1
    assert f" {first.process.pid} " in second.said
    assert "another one may be up still" in second.said
    assert (project / ADDRESSES).read_text() == before


@pytest.mark.slow
def test_a_server_that_ends_is_told_and_so_is_that_it_runs_again(up: Up, home: UserFolder) -> None:
    running = up("idler")
    [idler] = kept_by(home)

    docker("kill", idler)
    running.await_line("idler  exited with code 137")
    docker("start", idler)
    running.await_line("idler  runs again")

    assert running.end() == 0


@pytest.mark.slow
def test_one_that_cannot_start_says_why_and_nothing_is_left(
    up: Up, project: Path, home: UserFolder
) -> None:
    broken = PROJECT.replace("sleep 100000", "false") + 'ready = { log = "never" }'
    (project / "pyproject.toml").write_text(broken)

    ended = up("idler", until="")

    assert ended.process.wait(SECONDS) == 1
    assert "wflo-testkit: idler " in ended.said
    assert "exited with code 1" in ended.said
    assert "Traceback" not in ended.said
    assert kept_by(home) == []


@pytest.mark.slow
def test_the_hook_and_the_options_of_the_project_count(
    up: Up, project: Path, home: UserFolder
) -> None:
    (project / "pytest.ini").write_text("[pytest]\naddopts = -p xdist -n 2 --wflo-fresh\n")
    (project / "conftest.py").write_text(
        "import dataclasses\n\n"
        "def pytest_wflo_spec(spec):\n"
        '    return dataclasses.replace(spec, environment={"OF": "the hook"})\n'
    )

    up("idler")

    [idler] = kept_by(home)
    assert "OF=the hook" in docker("exec", idler, "env")


@pytest.mark.parametrize(
    ("words", "project_file", "answer"),
    [
        (["wbe"], PROJECT, "no server and no lease is called 'wbe'"),
        (["wbe"], PROJECT, "did you mean 'web'?"),
        ([], "", "this project declares no server and no lease"),
        ([], "", "name some of postgres, redis"),
        (["--env-file", "mine.env"], PROJECT, "that `wflo-testkit up` has not written"),
        ([], "[tool.wflo-testkit.servers.web]\nimages = 1", "unknown setting 'images'"),
    ],
)
def test_what_cannot_be_is_answered_before_anything_starts(
    words: list[str], project_file: str, answer: str, up: Up, project: Path, home: UserFolder
) -> None:
    (project / "pyproject.toml").write_text(project_file)
    (project / "mine.env").write_text("TOKEN=mine\n")

    refused = up(*words, until="")

    assert refused.process.wait(SECONDS) != 0
    assert answer in refused.said
    assert "Traceback" not in refused.said
    assert (project / "mine.env").read_text() == "TOKEN=mine\n"
    assert kept_by(home) == []


@pytest.mark.slow
def test_it_ends_when_it_has_something_to_say_that_nobody_reads(
    project: Path, home: UserFolder
) -> None:
    command = [sys.executable, "-m", "wflo_testkit.cli.main", "up", "idler"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"idler  running\n"
        assert process.stdout.readline().startswith(b"everything has started")
        process.stdout.close()
        docker("kill", *kept_by(home))
        _, errors = process.communicate(timeout=SECONDS)

    assert b"Traceback" not in errors
    assert kept_by(home) == []
