"""A container is given out when its condition is met, not before; else the error says what was."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Any

import pytest

from tests.cases import quick
from tests.containers import programs
from tests.containers.programs import NOT_SERVING, SERVING, grpc, python
from tests.containers.project import Project, inspected
from wflo_testkit import ready
from wflo_testkit.errors import SettingError, StartFailed
from wflo_testkit.model import Server
from wflo_testkit.wait import WaitTimeout, clock, wait_until

PORT: dict[str, Any] = {"ports": {"http": 8000}}
CHECK = {"test": "test -e /go", "interval": "100ms", "timeout": "1s", "retries": 100}
GATED: dict[str, dict[str, Any]] = {
    "http": {
        **python(programs.GATED_WEB),
        **PORT,
        "ready": ready.http("/health", status=[200, 204]),
    },
    "tcp": {**python(programs.GATED_PORT), **PORT, "ready": ready.tcp()},
    "no condition": {**python(programs.GATED_PORT), **PORT},
    "log": {**python(programs.GATED_LINE), "ready": ready.log(r"^listening on port \d+$")},
    "command": {**python(programs.REST), "ready": ready.command("test", "-e", "/go")},
    "command for a shell": {**python(programs.REST), "ready": {"command": "cat /go && true"}},
    "grpc": {
        **python(
            grpc(f"{SERVING} if may_go() and message == b'\\x0a\\x04shop' else {NOT_SERVING}")
        ),
        **PORT,
        "ready": ready.grpc("shop"),
    },
    "grpc that is not implemented yet": {
        **python(grpc(f"{SERVING} if may_go() else 12")),
        **PORT,
        "ready": ready.grpc(),
    },
    "healthy": {**python(programs.REST), "ready": ready.healthy, "healthcheck": CHECK},
    "done": {**python(programs.GATED_END), "ready": ready.done},
    "a list": {
        **python(programs.GATED_WEB),
        **PORT,
        "ready": [ready.log("the process is up"), ready.http("/health")],
    },
}
"""Kind -> a container that meets its condition once there is a file /go inside."""


def begun(project: Project, name: str, **words: Any) -> Future[Server]:
    return project.broker.servers.begin(project.spec(name, **words)).ready


def up(project: Project, name: str) -> str:
    """Return the id of a container, once its process runs."""
    found = f"wflo-{name}-{project.broker._session.run}"

    def runs() -> str:
        words = ["docker", "ps", "-q", "--no-trunc", "--filter", f"name={found}"]
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return listed[0] if listed and "the process is up" in logs(listed[0]) else ""

    return wait_until(runs, timeout=20, poll=0.1, describe=f"{name} runs")


def logs(container: str) -> str:
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return done.stdout


def let_go(container: str) -> None:
    subprocess.run(["docker", "exec", container, "touch", "/go"], check=True)


def name_of(kind: str) -> str:
    return kind.replace(" ", "-")


@pytest.mark.parametrize("kind", quick(GATED, ["http", "log"]))
def test_what_is_up_and_not_ready_is_given_out_when_it_is(running: Project, kind: str) -> None:
    future = begun(running, name_of(kind), **GATED[kind])
    container = up(running, name_of(kind))
    with pytest.raises(WaitTimeout):
        wait_until(future.done, timeout=0.5, poll=0.05)

    let_go(container)

    assert future.result(timeout=20).container_id == container


EXITS = "time.sleep(0.7); print('out of luck'); sys.exit(3)"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("kind", GATED)
def test_one_that_ends_while_it_is_awaited_is_told_within_a_second(
    running: Project, kind: str
) -> None:
    words = {**GATED[kind], **python(EXITS), "startup_timeout": 30}
    future = begun(running, f"ends-{name_of(kind)}", **words)
    error = future.exception(timeout=20)
    told = clock.wall()

    assert isinstance(error, StartFailed)
    assert "exited with code 3" in error.what
    assert "out of luck" in str(error.cause)
    container = str(error.looked_at).rpartition("container ")[2]
    ended = datetime.fromisoformat(inspected(container)["State"]["FinishedAt"])
    assert told - ended.timestamp() < 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["log", "no condition"])
def test_one_that_ends_with_0_is_no_server(running: Project, kind: str) -> None:
    words = {**GATED[kind], **python("print('that was all')")}
    error = begun(running, f"over-{name_of(kind)}", **words).exception(timeout=20)

    assert isinstance(error, StartFailed)
    assert "exited with code 0" in error.what
    assert "that was all" in str(error.cause)


@pytest.mark.slow
def test_one_that_runs_out_of_memory_is_told_as_that(running: Project) -> None:
    program = "print('reading all of it'); wait_to_go(); x = bytearray(1 << 30)"
    future = begun(running, "greedy", **python(program), **PORT, memory="24m")
    let_go(up(running, "greedy"))
    error = future.exception(timeout=20)

    assert isinstance(error, StartFailed)
    assert "killed because it ran out of memory" in error.what
    assert "reading all of it" in str(error.cause)


OBSERVED = {
    "http": "GET /health was answered with 503: still warming up",
    "tcp": "nobody listens yet",
    "no condition": "nobody listens yet",
    "log": r"no line of its output holds '^listening on port \\d+$' yet",
    "command": "['test', '-e', '/go'] ended with 1",
    "command for a shell": "cat /go && true ended with 1: cat: /go: No such file",
    "grpc": "gRPC's health service does not say SERVING of 'shop'",
    "grpc that is not implemented yet": "was refused",
    "healthy": "its health check says starting",
    "done": "it is running, and not done yet",
    "a list": "GET /health was answered with 503: still warming up",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", GATED)
def test_one_that_never_gets_ready_is_told_with_what_was_seen_last(
    running: Project, kind: str
) -> None:
    words = {**GATED[kind], "startup_timeout": 1.5}
    error = begun(running, f"never-{name_of(kind)}", **words).exception(timeout=20)

    assert isinstance(error, StartFailed)
    assert error.what.endswith("was not ready after 1.5 s")
    assert OBSERVED[kind] in str(error.cause)
    assert "the process is up" in str(error.cause)
    assert "raise its startup_timeout, or the timeout of its `ready`" in str(error.fix)


@pytest.mark.slow
def test_a_condition_may_have_a_time_of_its_own(running: Project) -> None:
    words = {**GATED["http"], "ready": [ready.tcp(), ready.http("/health", timeout=0.8)]}
    error = begun(running, "own-time", **words).exception(timeout=20)

    assert isinstance(error, StartFailed)
    assert error.what.endswith("was not ready after 0.8 s")


@pytest.mark.slow
def test_by_default_it_is_given_a_minute(running: Project) -> None:
    assert running.spec("patient", image=programs.PYTHON).startup_timeout == 60


@pytest.mark.slow
def test_a_health_check_that_is_nowhere_is_told_at_once(running: Project) -> None:
    error = begun(running, "unchecked", **python(programs.REST), ready="healthy").exception(20)

    assert isinstance(error, SettingError)
    assert "neither the image nor the container has a health check" in str(error.cause)


@pytest.mark.slow
def test_after_a_restart_a_line_of_the_start_before_does_not_count(running: Project) -> None:
    program = """
print("began again" if os.path.exists("/once") else "began")
if os.path.exists("/once"):
    wait_to_go()
open("/once", "w").close()
print("listening")
threading.Event().wait()
"""
    server = running.start("twice", **python(program), ready=ready.log("listening"))
    server.stop()
    restart = in_background(server.start)
    wait_until(lambda: "began again" in server.logs(), timeout=10)
    with pytest.raises(WaitTimeout):
        wait_until(restart.done, timeout=0.5, poll=0.05)
    let_go(server.container_id)

    restart.result(timeout=10)


def in_background(work: Callable[[], Any]) -> Future[Any]:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future
