"""What tests patch decides over nothing of the kit's, and sees nothing of it."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.conftest import Run

QUIETLY = "--wflo-leftovers=ignore"

MOCKS = {
    "socket.socket": "mock.patch('socket.socket', side_effect=RuntimeError('patched'))",
    "its connect": "mock.patch.object(socket.socket, 'connect', side_effect=RuntimeError('no'))",
    "subprocess": "mock.patch('subprocess.Popen', side_effect=RuntimeError('patched'))",
    "os.getpid": "mock.patch('os.getpid', return_value=1)",
    "Path": "mock.patch.multiple('pathlib.Path', open=BROKEN, read_text=BROKEN, exists=BROKEN)",
    "open": "mock.patch('builtins.open', BROKEN)",
    "os.environ": "mock.patch.dict('os.environ', clear=True)",
    "time": "mock.patch.multiple('time', time=BROKEN, monotonic=BROKEN, sleep=BROKEN)",
    "threading.Event": "mock.patch('threading.Event', BROKEN)",
    "freezegun": "freezegun.freeze_time('2001-01-01')",
    "time-machine": "time_machine.travel('2001-01-01', tick=False)",
}
SUITE = """
import os, socket
from unittest import mock

import freezegun
import pytest
import time_machine

BROKEN = mock.Mock(side_effect=RuntimeError("patched"))

def test_first(desks_desk): pass

@pytest.mark.parametrize("n", range(2))
def test_patched(request, n):
    patching = {patching}
    with patching as patched:
        desk = request.getfixturevalue("desks_desk")
        assert desk.call("look")["did"] == "look"
    assert not BROKEN.mock_calls
    if isinstance(patched, mock.NonCallableMock):
        assert not patched.mock_calls
"""


@pytest.mark.usefixtures("desks_installed")
@pytest.mark.parametrize("what", quick(MOCKS, ("socket.socket",)))
def test_a_lease_under_what_a_test_patches(run_suite: Run, what: str) -> None:
    result = run_suite(SUITE.replace("{patching}", MOCKS[what]), QUIETLY)

    result.assert_outcomes(passed=3)


@pytest.mark.slow
@pytest.mark.usefixtures("desks_installed")
def test_a_lease_under_fake_files(run_suite: Run) -> None:
    suite = """
        def test_first(desks_desk): pass
        def test_faked(fs, desks_desk): assert desks_desk.call("look")
        def test_last(desks_desk): pass
        """
    run_suite(suite, QUIETLY, "-p", "fakefs").assert_outcomes(passed=3)


@pytest.mark.slow
@pytest.mark.usefixtures("desks_installed")
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "workers"])
def test_leases_with_all_sockets_disabled(run_suite: Run, workers: tuple[str, ...]) -> None:
    suite = """
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_it(desks_desk, n): assert desks_desk.call("look")
        """
    # pytest-asyncio's and xdist's own need sockets where a test's event loop is made: none is.
    run_suite(suite, QUIETLY, "-p", "pytest_socket", "--disable-socket", *workers).assert_outcomes(
        passed=4
    )


RESPONSES = """
import pytest, responses

@pytest.fixture(scope="session", autouse=True)
def mocked():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
        assert len(mock.calls) == 0

def test_container(redis_client, redis_server):
    assert redis_client.ping()
    assert redis_server.logs()
    assert redis_server.network

@pytest.mark.wflo(redis="own_server")
def test_own(redis_client): assert redis_client.ping()
"""


@pytest.mark.slow
def test_a_mock_of_http_for_the_whole_session_meets_no_call_to_docker(run_suite: Run) -> None:
    run_suite(RESPONSES, "--wflo-require").assert_outcomes(passed=2)


MOCKS_OF_HTTP = {
    # requests-mock itself has a plugin, by which every run of these tests would load requests.
    "what requests-mock patches": "mock.patch('requests.Session.get_adapter', side_effect=OSError)",
    "vcrpy, recording": "vcr.use_cassette('new.yaml', record_mode='all')",
    "vcrpy, replaying": "vcr.use_cassette('old.yaml', record_mode='none')",
    "httpretty": "httpretty.enabled(allow_net_connect=False)",
    "requests": "mock.patch('requests.sessions.Session.request', side_effect=RuntimeError('no'))",
    "http.client": "mock.patch('http.client.HTTPConnection.request', side_effect=RuntimeError)",
}
OLD = """
interactions:
- request: {body: null, headers: {}, method: GET, uri: "http://example.org/"}
  response: {body: {string: ""}, headers: {}, status: {code: 200, message: OK}}
version: 1
"""
WHOLE_SESSION = """
from unittest import mock

import httpretty
import pytest
import vcr

@pytest.fixture(scope="session", autouse=True)
def patched():
    with {patching} as patched:
        yield
    met = []
    if isinstance(patched, mock.NonCallableMock):
        met = patched.mock_calls
    elif isinstance(patched, vcr.cassette.Cassette):
        met = [each for each in patched.requests if each.host != "example.org"]
    assert not met + httpretty.latest_requests()

def test_servers(redis_server):
    assert redis_server.logs()
    assert redis_server.network

def test_database(postgres_database):
    assert postgres_database.url
    assert postgres_database.as_role("app")

@pytest.mark.wflo(redis="own_server")
def test_own(redis_database): assert redis_database.url
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", MOCKS_OF_HTTP)
def test_what_stands_in_for_http_all_the_time_meets_no_call_of_the_kits(
    run_suite: Run, what: str
) -> None:
    suite = WHOLE_SESSION.replace("{patching}", MOCKS_OF_HTTP[what])
    result = run_suite(suite, "--wflo-require", files={"old.yaml": OLD})

    result.assert_outcomes(passed=3)


ASKS_DOCKER = """
import contextlib
from wflo_testkit.broker.client import BrokerClient

answer = BrokerClient._answer

def answer_with_a_call(self, *given):
    import docker
    with contextlib.suppress(Exception):
        docker.from_env().ping()
    return answer(self, *given)

BrokerClient._answer = answer_with_a_call
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["what requests-mock patches", "requests"])
def test_mutant_that_asks_docker_in_the_tests_process_is_met(run_suite: Run, what: str) -> None:
    suite = WHOLE_SESSION.replace("{patching}", MOCKS_OF_HTTP[what])
    result = run_suite(suite, "--wflo-require", conftest=ASKS_DOCKER)

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*assert not *"])
