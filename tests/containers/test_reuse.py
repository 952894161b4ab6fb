"""With reuse a container outlives the run, if another run could use it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers import programs
from tests.containers.programs import python
from tests.containers.project import Project, inspected, project
from tests.reuse.parts import remove_all_of
from wflo_testkit import ready
from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime.reuse.user_folder import UserFolder

pytestmark = pytest.mark.slow
WEB: dict[str, Any] = {
    **python(programs.WEB),
    "ports": {"http": 8000},
    "ready": ready.http(),
    "files": {"/etc/own": "own.txt"},
    "environment": {"KEY": "{password}"},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserFolder]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "own.txt").write_text("one")
    home = UserFolder()
    yield home
    remove_all_of(home)


def started(root: Path, **changed: Any) -> tuple[str, str]:
    """Return container and password of the web server of one run, which ends."""
    with project(root, reuse=True) as run:
        server = run.start("web", **{**WEB, **changed})
        return server.container_id, server.password


def test_the_next_run_finds_it_and_its_password(tmp_path: Path) -> None:
    assert started(tmp_path) == started(tmp_path)


@pytest.mark.parametrize("what", ["a file", "a variable", "a limit"])
def test_a_changed_definition_is_another_container(tmp_path: Path, what: str) -> None:
    first, _password = started(tmp_path)
    changed: dict[str, Any] = {}
    if what == "a file":
        (tmp_path / "own.txt").write_text("two")
    elif what == "a variable":
        changed["environment"] = {"KEY": "other"}
    else:
        changed["memory"] = "64m"

    assert started(tmp_path, **changed)[0] != first


@pytest.mark.parametrize("harm", ["stop", "pause", "SIGSTOP of its process"])
def test_one_that_does_not_answer_any_more_is_replaced(tmp_path: Path, harm: str) -> None:
    first, _password = started(tmp_path)
    words = [harm, *(["--time=0"] if harm == "stop" else []), first]
    if "process" in harm:
        pid = inspected(first)["State"]["Pid"]
        subprocess.run(["kill", "-STOP", str(pid)], check=True)
    else:
        subprocess.run(["docker", *words], check=True, capture_output=True)

    assert started(tmp_path)[0] != first


ASK = "import urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())"


def asking(url: str) -> dict[str, Any]:
    words = python(ASK)
    return {**words, "command": [*words["command"], url], "ready": ready.done}


def test_what_is_not_kept_reaches_what_is(tmp_path: Path) -> None:
    for _time in ("first", "second"):
        with project(tmp_path, reuse=True) as run:
            run.spec("web", **WEB)
            job = run.start("job", **asking("{web.internal_url}"))
            assert "b'web-" in job.logs()
            app = run.start("app", **WEB, replicas=2, after=["web"])
            web = run.get(run._specs["web"])
            inside = [each.id for each in app.replicas]
            for container in inside:
                ask = ["docker", "exec", container, "getent", "hosts", web.internal_host]
                assert subprocess.run(ask, check=False).returncode == 0
            assert web.is_shared
            assert not app.is_shared


def test_what_refers_to_something_of_this_run_is_of_this_run(tmp_path: Path) -> None:
    with project(tmp_path, reuse=True) as run:
        run.spec("volatile", **WEB, replicas=2)
        run.spec("migrate", **asking("{volatile.internal_url}"))
        told = run.start("told", **{**WEB, "environment": {"URL": "{volatile.internal_url}"}})
        later = run.start("later", **WEB, after=["migrate"])
        of_kept = run.start("again", **{**WEB, "environment": {"URL": "{later.internal_url}"}})

        assert not told.is_shared
        assert later.is_shared, "a job before it is over"
        assert of_kept.is_shared
        ask = "import urllib.request as r, os; print(r.urlopen(os.environ['URL']).status)"
        assert of_kept.exec("python", "-c", ask) == "200\n"
        assert told.exec("python", "-c", ask) == "200\n"


def test_a_kept_one_is_not_scaled(tmp_path: Path) -> None:
    with project(tmp_path, reuse=True) as run:
        web = run.start("web", **WEB)
        with pytest.raises(TestkitError, match="web cannot be scaled: it is kept for other runs"):
            web.scale(2)

        assert len(web.replicas) == 1


def test_one_that_is_found_can_be_looked_into_and_restarted(tmp_path: Path) -> None:
    started(tmp_path)
    with project(tmp_path, reuse=True) as run:
        web = run.start("web", **WEB)
        web.restart()

        assert web.exec("cat", "/etc/own") == "one"
        assert web.state == "running"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, reuse=True) as run:
        yield run


def test_two_runs_at_once_share_it(tmp_path: Path, other: Project) -> None:
    assert other.start("web", **WEB).container_id == started(tmp_path)[0]
    assert other.get(other._specs["web"]).state == "running"
