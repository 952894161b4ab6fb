"""A secret is a file that its container's user can read, and nobody else; it is shown nowhere."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.conftest import Run
from tests.containers import programs
from tests.containers.programs import python
from tests.containers.project import Project, inspected
from wflo_testkit.errors import StartFailed
from wflo_testkit.services.container import ContainerServer

pytestmark = pytest.mark.slow
TEXT = "open-sesame-4711"
REST = {**python(programs.REST), "secrets": {"token": TEXT}}
SCRIPT = "#!/bin/sh\necho a secret that can be run is none\n"
USERS = {
    "nobody": "65534 65534",
    "nobody:daemon": "65534 1",
    "1000": "1000 0",
    "1000:50": "1000 50",
}


def as_user(server: ContainerServer, user: str, *command: str) -> subprocess.CompletedProcess[str]:
    words = ["docker", "exec", "--user", user, server.container_id, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("user", USERS)
def test_it_belongs_to_the_user_that_the_container_runs_as(running: Project, user: str) -> None:
    name = f"user-{user.replace(':', '-')}"
    server = running.start(name, **REST, user=user)

    assert server.exec("stat", "-c", "%a %u %g", "/run/secrets/token") == f"400 {USERS[user]}\n"
    assert server.exec("cat", "/run/secrets/token") == TEXT
    other = as_user(server, "1234", "cat", "/run/secrets/token")
    assert other.returncode == 1
    assert "Permission denied" in other.stderr


def test_it_belongs_to_the_user_of_the_image(running: Project) -> None:
    folder = running.root / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {programs.PYTHON}\nRUN useradd --uid 4242 shop\nUSER shop\n"
    )
    words = {**REST, "image": "", "build": "image"}
    server = running.start("shop", **words)

    assert server.exec("stat", "-c", "%a %u %g", "/run/secrets/token") == "400 4242 4242\n"
    assert server.exec("cat", "/run/secrets/token") == TEXT


def test_it_may_have_a_path_of_its_own_and_look_like_a_script(running: Project) -> None:
    server = running.start(
        "scripted", **python(programs.REST), secrets={"/etc/own/token": SCRIPT}, user="1000"
    )

    assert server.exec("stat", "-c", "%a %u", "/etc/own/token") == "400 1000\n"


def test_a_user_that_the_image_has_not_is_told(running: Project) -> None:
    with pytest.raises(StartFailed, match="the user 'shop', who is to read the secrets"):
        running.start("nobody-there", **REST, user="shop")


def test_it_is_not_among_the_variables_or_the_labels(running: Project) -> None:
    server = running.start("quiet", **REST)

    assert TEXT not in json.dumps(inspected(server.container_id))
    assert TEXT not in repr(running._specs["quiet"])


def test_its_text_is_nowhere_in_the_output(run_suite: Run) -> None:
    secret = "a-secret-of-many-letters"
    result = run_suite(
        """
        def test_fails(app_server):
            said = app_server.exec("cat", "/run/secrets/token", "/run/secrets/mine")
            print(said)
            assert said == app_server.password

        def test_own(wflo_container):
            secret = "another-secret-of-many-letters"
            app = wflo_container("own", image="python:3.13-slim", secrets={"token": secret},
                                 command=["sh", "-c", "cat /run/secrets/token; exit 3"],
                                 ready="done")
        """,
        "--showlocals",
        "-v",
        pyproject=f"""
        [tool.wflo-testkit.servers.app]
        image = "python:3.13-slim"
        init = true
        command = ["sh", "-c", "cat /run/secrets/token; exec sleep 100"]
        secrets = {{ token = "{secret}", mine = "{{password}}" }}
        """,
    )

    result.assert_outcomes(failed=2)
    result.stdout.no_fnmatch_line(f"*{secret}*")
    result.stdout.no_fnmatch_line("*another-secret-of-many-letters*")
    result.stdout.fnmatch_lines(["*exited with code 3*"])
    result.stdout.fnmatch_lines(["*[*][*][*]*"])
