"""An image is built once for each content, for all workers, behind a proxy too."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.containers.programs import PYTHON
from tests.containers.project import Project
from wflo_testkit import ready
from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime import images, project_images

pytestmark = pytest.mark.slow
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
DOCKERFILE = f"""
FROM {PYTHON}
ARG COLOUR=none
COPY . /srv
RUN echo "$COLOUR" > /colour
CMD ["sh", "-c", "echo $(cat /colour) $(ls -a /srv)"]
"""


@pytest.fixture
def folder(running: Project) -> Path:
    """A context of its own, of which no test has built an image yet."""
    made = running.root / secrets.token_hex(4)
    made.mkdir()
    (made / "Dockerfile").write_text(DOCKERFILE)
    (made / "one.txt").write_text(made.name)
    return made


@pytest.fixture(scope="module", autouse=True)
def no_images_are_left(running: Project) -> Iterator[None]:
    yield
    mine = f"label={project_images.KIND}"
    words = ["docker", "images", "-q", "--filter", mine.replace("build", "dev.wflo.testkit=build")]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    for image in set(found):
        place = [
            "docker",
            "inspect",
            "-f",
            f'{{{{index .Config.Labels "{project_images.PLACE}"}}}}',
        ]
        where = subprocess.run([*place, image], capture_output=True, text=True, check=False).stdout
        if where.startswith(str(running.root)) or is_fake(image):
            subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)


def is_fake(image: str) -> bool:
    """Say whether an image has the certificates of a test."""
    shown = ["docker", "inspect", "-f", "{{.RepoTags}}", image]
    tags = subprocess.run(shown, capture_output=True, text=True, check=False).stdout
    return hashlib.sha256(CERTIFICATE.encode()).hexdigest()[:24] in tags


def built(running: Project, folder: Path, **more: Any) -> str:
    """Return the image of a build; whether one was made tells its tag."""
    spec = running.spec("built", build={"context": str(folder), **more})
    return project_images.built(running.broker._session.client.client, spec).image


def images_of(folder: Path) -> list[str]:
    mark = f"label={project_images.PLACE}={folder / 'Dockerfile'}"
    words = ["docker", "images", "-q", "--filter", mark]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def test_it_runs_what_was_built(running: Project, folder: Path) -> None:
    (folder / ".dockerignore").write_text("# not these\n*.log\n")
    (folder / "noise.log").write_text("x")
    server = running.start(
        "green", build={"context": str(folder), "args": {"COLOUR": "green"}}, ready=ready.done
    )

    assert server.logs().split() == ["green", ".", "..", ".dockerignore", "Dockerfile", "one.txt"]
    assert server.origin == "built"


def test_the_same_content_is_built_once(running: Project, folder: Path) -> None:
    (folder / ".dockerignore").write_text("ignored/*\n!ignored/not.txt\n")
    (folder / "ignored").mkdir()
    first = built(running, folder)
    (folder / "ignored/note.txt").write_text("a comment")
    os.utime(folder / "one.txt", (0, 0))

    assert built(running, folder) == first
    assert len(images_of(folder)) == 1


def test_what_decides_the_content_makes_another(running: Project, folder: Path) -> None:
    seen = [built(running, folder)]
    seen.append(built(running, folder, args={"COLOUR": "red"}))
    (folder / "one.txt").write_text("two")
    seen.append(built(running, folder))
    (folder / "one.txt").chmod(0o755)
    seen.append(built(running, folder))
    (folder / "Dockerfile").write_text(DOCKERFILE + "# and a comment\n")
    seen.append(built(running, folder))
    (folder / "other.Dockerfile").write_text(DOCKERFILE)
    seen.append(built(running, folder, dockerfile="other.Dockerfile"))

    assert len(set(seen)) == len(seen)


def test_the_newest_of_a_dockerfile_stay(running: Project, folder: Path) -> None:
    made = []
    for number in range(project_images.KEPT + 2):
        (folder / "one.txt").write_text(f"{folder.name} {number}")
        made.append(built(running, folder))
    client = running.broker._session.client.client
    there = [image for image in made if images.inspect(client, image)]

    assert there == made[-project_images.KEPT :]


def test_an_error_shows_the_last_lines_and_the_dockerfile(running: Project, folder: Path) -> None:
    with (folder / "Dockerfile").open("a") as file:
        file.write("RUN seq 100 && echo 'no such package: shop' && exit 7\n")
    with pytest.raises(ImageUnavailable) as caught:
        running.start(f"bad-{folder.name}", build=str(folder))

    said = str(caught.value.cause)
    assert f"the image of bad-{folder.name} could not be built" in caught.value.text
    assert "no such package: shop" in said
    assert "returned a non-zero code: 7" in said
    assert "\n100\n" in said
    assert len(said.splitlines()) <= project_images.LINES + 3
    assert str(caught.value.looked_at) == str(folder / "Dockerfile")


def test_a_dockerfile_that_cannot_be_read_is_an_error_too(running: Project, folder: Path) -> None:
    (folder / "Dockerfile").write_text(f"FROM {PYTHON}\nNONSENSE here\n")
    with pytest.raises(ImageUnavailable) as caught:
        running.start(f"odd-{folder.name}", build=str(folder))

    assert "unknown instruction: NONSENSE" in str(caught.value.cause)


def test_stages_and_targets_are_built(running: Project, folder: Path) -> None:
    (folder / "Dockerfile").write_text(
        f"FROM {PYTHON} AS Base\nRUN echo base > /which\n"
        "FROM base AS tests\nRUN echo tests > /which\nCMD cat /which\n"
        "FROM scratch AS empty\nCOPY --from=base /which /which\n"
        "FROM Base\nCMD cat /which\n"
    )
    last = running.start(f"last-{folder.name}", build=str(folder), ready=ready.done)
    build = {"context": str(folder), "target": "tests"}
    tests = running.start(f"tests-{folder.name}", build=build, ready=ready.done)

    assert (last.logs(), tests.logs()) == ("base\n", "tests\n")


def test_certificates_come_in_where_a_variable_names_them(
    running: Project, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text(f"{CERTIFICATE}\n")
    (folder / "Dockerfile").write_text(
        f'FROM {PYTHON}\nRUN echo "$PIP_CERT" > /named\nCMD cat /named /tmp/*.pem || true\n'
    )
    for name in (*project_images._CERTIFICATE_VARIABLES, "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    without = running.start(f"plain-{folder.name}", build=str(folder), ready=ready.done)
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    (folder / "one.txt").write_text("anew")
    with_them = running.start(f"trusting-{folder.name}", build=str(folder), ready=ready.done)

    assert "CERTIFICATE" not in without.logs()
    assert with_them.logs() == f"/tmp/wflo-testkit-ca.pem\n{CERTIFICATE}"


def test_a_package_is_installed_as_on_this_machine(running: Project, folder: Path) -> None:
    (folder / "Dockerfile").write_text(
        f"FROM {PYTHON}\nRUN pip install --no-cache-dir --break-system-packages toposort==1.10\n"
        'CMD ["python", "-c", "import toposort; print(toposort.__name__)"]\n'
    )
    server = running.start(f"pip-{folder.name}", build=str(folder), ready=ready.done)

    assert server.logs() == "toposort\n"


SUITE = """
import pytest

@pytest.mark.parametrize("n", range(8))
def test(app_server, n):
    assert app_server.exec("cat", "/colour") == "none\\n"
"""


def table(folder: Path) -> str:
    return f"""
    [tool.wflo-testkit.servers.app]
    build = "{folder}"
    command = ["sleep", "100"]
    init = true
    """


def test_workers_have_one_image(run_suite: Run, folder: Path) -> None:
    result = run_suite(SUITE, "-n", "3", "--wflo-debug", pyproject=table(folder))

    result.assert_outcomes(passed=8)
    assert len(images_of(folder)) == 1
    steps = [line for line in result.outlines if "app: build: Step 1/" in line]
    assert len(steps) == 1, "and its progress is told"


def test_two_runs_at_once_build_the_same(
    run_suite: Run, folder: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(SUITE)
    pytester.makepyprojecttoml(table(folder).replace("\n    ", "\n"))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=pytester.path)
        for _run in range(2)
    ]

    for process in both:
        said, _ = process.communicate(timeout=100)
        assert process.returncode == 0, said
