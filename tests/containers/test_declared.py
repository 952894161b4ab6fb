"""A table, or `wflo_container` in a fixture, gives a test a running container, as a user has it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run

APP = """
[tool.wflo-testkit.servers.app]
image = "python:3.13-slim"
command = ["sh", "-c", "echo the app is up; echo WARNING disk is slow; exec sleep 1000"]
init = true
ready = { log = "is up" }
"""
MADE = """
import pytest

@pytest.fixture(scope="session")
def made(wflo_container):
    return wflo_container("made", image="python:3.13-slim", command="sleep 1000", init=True, {more})
"""


def test_a_table_is_a_fixture_and_so_is_a_call(run_suite: Run) -> None:
    suite = """
    def test_table(app_server):
        assert app_server.state == "running"
        assert "the app is up" in app_server.logs()

    def test_call(made, app_server):
        assert made.exec("cat", "/etc/hostname").strip() == "made-1"
        assert made.network == app_server.network
    """
    result = run_suite(suite, pyproject=APP, conftest=MADE.format(more=""))

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["app *ready in *", "made *ready in *"])


@pytest.mark.slow
def test_only_what_is_selected_starts(run_suite: Run) -> None:
    result = run_suite("def test(): ...", pyproject=APP)

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("app *")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("networks=['x']", "*nothing: all servers of a run are on one network*"),
        ("privileged=True", "*docker = { privileged = true }*"),
        ("enviroment={}", "*did you mean 'environment'?*"),
        ("replicas='2'", "*give it a whole number*"),
        ("ready='helthy'", "*did you mean 'healthy'?*"),
        ("environment={'A': '{redi.url}'}", "*did you mean 'redis'?*"),
        ("per='test'", "*one of run, worker*"),
    ],
)
def test_a_call_that_cannot_be_says_so(run_suite: Run, more: str, said: str) -> None:
    result = run_suite("def test(made): ...", conftest=MADE.format(more=more))

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Made", "made_", "1st", "app", "two--dashes"])
def test_a_name_that_cannot_be_is_refused(run_suite: Run, name: str) -> None:
    conftest = MADE.format(more="").replace('"made"', f'"{name}"')
    result = run_suite("def test(made): ...", conftest=conftest, pyproject=APP)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*a container cannot be called '{name}'*"])


@pytest.mark.slow
def test_two_fixtures_of_one_name_are_refused_with_the_difference(run_suite: Run) -> None:
    conftest = MADE.format(more="") + MADE.format(more="memory='64m'").replace(
        "def made", "def other"
    )
    result = run_suite(
        "def test(made): ...\ndef test_other(other): ...", "-n", "2", conftest=conftest
    )

    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == outcomes["errors"] == 1
    result.stdout.fnmatch_lines(
        ["*two different containers are called 'made'*", "*docker: mem_limit*"]
    )


@pytest.mark.slow
def test_what_one_test_does_to_it_another_sees(run_suite: Run) -> None:
    suite = """
    import pytest

    @pytest.fixture
    def back_up(app_server):
        yield
        app_server.start()

    def test_kills(app_server, back_up):
        app_server.kill()
        assert app_server.state == "exited with code 137"

    def test_still_runs(app_server):
        assert app_server.state == "running"
    """
    run_suite(suite, pyproject=APP).assert_outcomes(passed=2)


@pytest.fixture
def address() -> Iterator[str]:
    """Something that listens on this machine."""
    with socketserver.ThreadingTCPServer(
        ("127.0.0.1", 0), socketserver.BaseRequestHandler
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


EXTERNAL = """
[tool.wflo-testkit.servers.gateway]
image = "wflo-testkit/there-is-no-such-image:1"
ports = { web = 8080, admin = 8081 }
external = "GATEWAY_URL"
"""


@pytest.mark.slow
def test_where_a_variable_holds_the_address_nothing_is_started(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch, address: str
) -> None:
    fresh_environment.setenv("GATEWAY_URL", f"http://{address}/base")
    suite = f"""
    import pytest
    from wflo_testkit import errors

    def test(gateway_server):
        assert gateway_server.url == "http://{address}/base"
        assert gateway_server.urls == {{"web": "http://{address}/base"}}
        assert gateway_server.internal_url == gateway_server.url
        assert gateway_server.host == "127.0.0.1"
        assert gateway_server.ports["web"] == gateway_server.port == {address.split(":")[1]}
        assert gateway_server.env()["GATEWAY_URL"] == gateway_server.url
        assert gateway_server.logs() == ""
        with pytest.raises(errors.TestkitError, match="gateway cannot do 'stop'"):
            gateway_server.stop()
    """
    result = run_suite(suite, pyproject=EXTERNAL)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"gateway *{address}*"])


@pytest.mark.slow
def test_without_the_variable_it_is_started(run_suite: Run) -> None:
    result = run_suite("def test(gateway_server): ...", pyproject=EXTERNAL)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*image wflo-testkit/there-is-no-such-image:1 is not on*"])


@pytest.mark.slow
def test_an_external_one_can_be_referred_to_by_a_container(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch, address: str
) -> None:
    fresh_environment.setenv("GATEWAY_URL", f"http://{address}")
    table = """
    [tool.wflo-testkit.servers.job]
    image = "python:3.13-slim"
    command = ["echo", "{gateway.internal_url}"]
    ready = "done"
    """
    suite = f"""
    def test(job_server):
        assert job_server.logs() == "http://{address}\\n"
    """
    run_suite(suite, pyproject=EXTERNAL + table.replace("\n    ", "\n")).assert_outcomes(passed=1)


@pytest.mark.slow
def test_host_access_leads_to_the_machine(run_suite: Run) -> None:
    suite = """
    import socket
    import threading

    def test(wflo_container):
        with socket.create_server(("0.0.0.0", 0)) as server:
            ask = f"socket.create_connection(('host.docker.internal', {server.getsockname()[1]}))"
            command = ["python", "-c", f"import socket; {ask}"]
            job = wflo_container("job", image="python:3.13-slim", command=command,
                                 host_access=True, ready="done")
            server.settimeout(5)
            server.accept()[0].close()
    """
    run_suite(suite).assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_hook_may_change_what_it_runs(run_suite: Run) -> None:
    conftest = """
    import dataclasses

    def pytest_wflo_spec(spec):
        if spec.name == "app":
            return dataclasses.replace(spec, environment={"BY": "the hook"})
    """
    suite = """
    def test(app_server):
        assert app_server.exec("printenv", "BY") == "the hook\\n"
    """
    run_suite(suite, conftest=conftest, pyproject=APP).assert_outcomes(passed=1)


@pytest.mark.slow
def test_paths_are_the_project_s_wherever_pytest_begins(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    table = APP + 'files = { "/own" = "conf/own.txt" }\n'
    suite = """
    def test(app_server):
        assert app_server.exec("cat", "/own") == "mine"
    """
    (pytester.path / "conf").mkdir()
    (pytester.path / "conf/own.txt").write_text("mine")
    (pytester.path / "below").mkdir()
    result = run_suite("", pyproject=table, files={"below/test_below.py": suite})
    result.assert_outcomes(passed=1)


def test_the_place_of_a_refusal_is_told(tmp_path: Path) -> None:
    from tests.containers.project import described
    from wflo_testkit.errors import SettingError

    with pytest.raises(SettingError) as caught:
        described(tmp_path, "gateway", image="x", files={"/a": "b"})

    assert "[tool.wflo-testkit.servers.gateway]" in str(caught.value.looked_at)
