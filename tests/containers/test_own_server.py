"""`own_server`: a container of one's own, which tests use as a whole, for one test alone."""

from __future__ import annotations

import pytest

from tests.conftest import Run

APP = """
[tool.wflo-testkit.servers.app]
image = "python:3.13-slim"
command = ["python", "-c", "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000)"]
init = true
ports = { http = 8000 }
ready = { http = "/" }
replicas = 2

[tool.wflo-testkit.servers.other]
image = "python:3.13-slim"
command = ["sleep", "1000"]
init = true
environment = { APP = "{app.internal_url}" }
"""
CONFTEST = """
import subprocess, types, urllib.request
import pytest

@pytest.fixture(scope="session")
def seen():
    return types.SimpleNamespace()

@pytest.fixture(scope="session")
def page(app_server):
    "Stands on the container, for as long as that lasts."
    with urllib.request.urlopen(app_server.url) as answer:
        return app_server.container_id, answer.status

@pytest.fixture
def is_there():
    def ask(container):
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, check=False)
        return shown.returncode == 0
    return ask
"""


def test_a_test_has_a_container_to_itself_and_may_break_it(run_suite: Run) -> None:
    suite = """
    import pytest

    def test_shared(app_server, page, seen):
        seen.shared = app_server
        assert page == (app_server.container_id, 200)

    @pytest.mark.wflo(app="own_server")
    def test_alone(app_server, other_server, page, seen):
        seen.own = app_server
        assert other_server.exec("printenv", "APP").strip() == seen.shared.internal_url
        assert app_server.container_id != seen.shared.container_id
        assert page == (app_server.container_id, 200)
        assert app_server.internal_url != seen.shared.internal_url
        app_server.kill()

    @pytest.mark.wflo(app="own_server")
    class TestEachOfAClass:
        def test_alone(self, app_server, page, seen, is_there):
            assert app_server.container_id not in (
                seen.shared.container_id, seen.own.container_id
            )
            assert page == (app_server.container_id, 200)
            assert not is_there(seen.own.container_id)
            seen.own = app_server

    def test_afterwards(app_server, page, seen, is_there):
        assert page == (seen.shared.container_id, 200)
        assert app_server.state == "running"
        assert not is_there(seen.own.container_id)
    """
    result = run_suite(suite, "-v", pyproject=APP, conftest=CONFTEST)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*::test_alone PASSED*", "*TestEachOfAClass::test_alone PASSED*"])


@pytest.mark.slow
def test_where_all_have_one_of_their_own_no_shared_one_starts(run_suite: Run) -> None:
    suite = """
    import pytest

    @pytest.mark.wflo(app="own_server")
    @pytest.mark.parametrize("number", range(4))
    def test(app_server, page, number):
        assert page == (app_server.container_id, 200)
        app_server.stop()
    """
    result = run_suite(suite, "-n", "2", pyproject=APP, conftest=CONFTEST)

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("app *ready in *")


@pytest.mark.slow
def test_another_mode_is_refused(run_suite: Run) -> None:
    suite = """
    import pytest

    @pytest.mark.wflo(app="own_sever")
    def test_misspelt(app_server): ...

    def test_plain(app_server): ...
    """
    result = run_suite(suite, pyproject=APP)

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        ["*unknown mode of app: 'own_sever'*", "*::test_misspelt*", "*write 'own_server'*"]
    )


@pytest.mark.slow
def test_a_marked_test_that_would_share_it_fails_before_it_begins(run_suite: Run) -> None:
    suite = """
    import unittest
    import pytest

    @pytest.mark.wflo(app="own_server")
    @pytest.mark.parametrize("number", [1])
    def test_asks_too_late(request, number):
        request.getfixturevalue("app_server").kill()

    @pytest.mark.wflo(app="own_server")
    class TestMethods(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def given(self, app_server):
            self.app = app_server

        def test_breaks_it(self):
            self.app.kill()

    @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.wflo(app="own_server"))])
    def test_of_one_set(app_server, n):
        app_server.kill()

    @pytest.mark.wflo(app="own_server")
    class TestOthers:
        def test_needs_none(self): ...

    def test_everybodys(app_server):
        assert app_server.state == "running"
    """
    result = run_suite(suite, pyproject=APP)

    result.assert_outcomes(errors=3, passed=2)
    result.stdout.fnmatch_lines(
        [
            "*this test cannot have app to itself*",
            "*it does not take app_server as an argument*",
            "*::test_asks_too_late*",
            "*methods of unittest.TestCase have no parameters*",
            "*::TestMethods::test_breaks_it*",
            "*the marker is of one set of parameters, or added later*",
        ]
    )
