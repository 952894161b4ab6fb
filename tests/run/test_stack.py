"""A stack: several servers of a project, without pytest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest

from tests.docker_state import docker_state
from wflo_testkit import Stack, TestkitError
from wflo_testkit.runtime import labels

SERVE = "python -u -m http.server 8000"
PROJECT = f"""
[tool.wflo-testkit.leases.shop]
of = "postgres_database"
schema = "shop.sql"

[tool.wflo-testkit.servers.migrate]
image = "python:3.13-slim"
command = "echo migrated {{shop.name}}"
ready = "done"

[tool.wflo-testkit.servers.web]
image = "python:3.13-slim"
command = "{SERVE}"
init = true
ports = {{ http = 8000 }}
environment = {{ DATABASE_URL = "{{shop.internal_url}}" }}
ready = {{ http = "/" }}
after = ["migrate"]
fill = "stocking_of_the_shop:stock"
"""
STOCKING = """
def stock(server):
    server.exec("sh", "-c", "echo tea > /tmp/stock")
"""


def write(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "shop.sql").write_text("CREATE TABLE orders (id int)")
    (folder / "stocking_of_the_shop.py").write_text(STOCKING)


def made_by(stack: Stack) -> list[str]:
    return list(docker_state(f"{labels.RUN}={stack.run}"))


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_imported() -> Iterator[None]:
    """A module whose file is gone: no schema of later tests in this process could be kept."""
    yield
    sys.modules.pop("stocking_of_the_shop", None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    write(folder)
    with Stack(root=folder) as stack:
        yield stack


@pytest.mark.slow
def test_without_names_it_is_all_that_the_file_declares(running: Stack) -> None:
    assert list(running) == ["migrate", "web"]
    assert urlopen(running["web"].url).status == 200


@pytest.mark.slow
def test_a_lease_that_the_file_declares_is_in_place(running: Stack) -> None:
    shop = running.lease("shop")

    assert shop.internal_url in running["web"].exec("env")
    assert shop.name in running["migrate"].logs()
    with psycopg.connect(shop.url) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)


@pytest.mark.slow
def test_what_its_file_names_is_imported_from_its_folder(running: Stack) -> None:
    assert running["web"].exec("cat", "/tmp/stock") == "tea\n"


@pytest.mark.slow
def test_it_scales_stops_and_starts_and_addresses_stay(running: Stack) -> None:
    url = running["web"].url
    running.scale("web", 2)
    assert [urlopen(each.url).status for each in running["web"].replicas] == [200, 200]
    running.scale("web", 1)

    running.stop("web")
    with pytest.raises((URLError, ConnectionError)):
        urlopen(url, timeout=5)
    running.start()
    running.wait()

    assert urlopen(url).status == 200


@pytest.mark.slow
def test_a_service_of_the_kit_may_be_among_them(running: Stack) -> None:
    assert running["redis"].url.startswith("redis://")
    assert "redis" in running


@pytest.mark.slow
def test_nothing_is_left_of_it_though_the_block_raises(project: Path) -> None:
    stack = Stack("web", root=project)

    with pytest.raises(KeyError, match=r"\w{64}"), stack:
        raise KeyError(made_by(stack)[0])

    assert made_by(stack) == []


@pytest.mark.slow
def test_one_that_cannot_start_says_why_and_leaves_nothing(project: Path) -> None:
    stack, file = Stack("web", root=project), project / "pyproject.toml"
    file.write_text(file.read_text().replace("echo migrated", "sh -c 'exit 3' "))

    with pytest.raises(TestkitError, match="migrate, which it needs, is not ready"):
        stack.__enter__()

    assert made_by(stack) == []


def test_a_name_that_is_no_servers_is_answered_by_those_that_are(project: Path) -> None:
    stack = Stack("wbe", root=project)

    with pytest.raises(TestkitError, match="did you mean 'web'") as caught:
        stack.start()
    stack.close()

    assert caught.value.what == "no server is called 'wbe'"
