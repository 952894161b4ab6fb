"""Passwords are in nothing that a run prints, writes or commits, and on no command line."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import docker
import pytest

from tests.lifecycle import secrecy
from tests.reuse.parts import remove_all_of
from tests.services.asker import asker, run_of_its_own
from tests.services.external.suites import address_setting
from wflo_testkit.broker.broker import Broker
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm.notes import Notes

CONFTEST = """
import os
import pytest

def note(*passwords):
    assert all(passwords)
    with open(os.environ["TOLD"], "a", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.writelines(each + "\\n" for each in passwords)

@pytest.fixture
def told_of_postgres(postgres_server, postgres_database):
    note(postgres_server.password, postgres_database.password)

@pytest.fixture
def told_of_redis(redis_server, redis_database):
    note(redis_server.password, redis_database.password)
"""
# Each service fails by the test's own words and inside its client; -l prints every local variable.
FAILING = """
import pytest
from sqlalchemy import create_engine, text

def test_postgres(told_of_postgres, postgres_server, postgres_database, postgres_engine):
    url, admin = postgres_database.url, postgres_server.url
    assert not repr([postgres_server, postgres_database, postgres_engine])

def test_postgres_client(told_of_postgres, postgres_database, postgres_async_engine):
    other = postgres_database.sqlalchemy_url("psycopg").replace(postgres_database.name, "nowhere")
    create_engine(other).connect()

def test_redis(told_of_redis, redis_server, redis_database, redis_client, redis_async_client):
    url, admin = redis_database.url, redis_server.url
    assert redis_database.env() == repr([redis_database, redis_client, redis_async_client])

def test_redis_client(told_of_redis, redis_database):
    import redis
    redis.Redis.from_url(redis_database.url.replace("@127.0.0.1", "@127.0.0.2")).ping()
    redis.Redis.from_url(redis_database.url).execute_command("NONSENSE")
"""
BROKERS = """
def test_kafka(kafka_server, kafka_topics, kafka_producer, kafka_admin):
    kafka_topics.read(kafka_topics.create("orders"), timeout=0.1)

async def test_temporal(temporal_server, temporal_namespace, temporal_client):
    await temporal_client.get_workflow_handle("nobody").describe()
"""
LOUD = ("-vv", "-l", "-rA", "--durations=0", "-p", "no:randomly", "-o", "asyncio_mode=auto")
WRITTEN = ("--junitxml=junit.xml", "--wflo-report=report.json", "--wflo-require")


COMMANDS = [["wflo_testkit.cli.main", "doctor"], ["wflo_testkit.cli.main", "ps", "--json"]]


@dataclass(frozen=True)
class Finished:
    """A run that has ended: what it printed, the passwords that it met, what was seen of it."""

    folder: Path
    output: str
    told: set[str]
    processes: set[bytes]

    def leaks(self, images: Iterable[str] = ()) -> dict[str, list[str]]:
        """Return place -> where in it a password was found, and each printed line with one."""
        printed = self.output.splitlines()
        commands = [each.decode(errors="replace") for each in self.processes]
        private = self.folder / "private"
        return {
            "printed": [each for each in printed if self._is_in(each)],
            "processes": [each for each in commands if self._is_in(each)],
            "files": secrecy.in_files(self.folder, self.told, but=[private]),
            "images": secrecy.in_images(images, self.told),
        }

    def _is_in(self, text: str) -> bool:
        return secrecy.found_in(text.encode(), self.told)


NONE = {"printed": [], "processes": [], "files": [], "images": []}


def run(
    folder: Path,
    source: str,
    *options: str,
    conftest: str = "",
    commands: Sequence[list[str]] = (),
    **variables: str,
) -> Finished:
    """Run a suite, then `commands`, among proxies and logins that have passwords of their own."""
    private, project = folder / "private", folder / "project"
    places = {name: folder / name for name in ("tmp", "cache", "home")}
    for each in (private, project, *places.values()):
        each.mkdir()
    (project / "test_it.py").write_text(dedent(source))
    (project / "conftest.py").write_text(CONFTEST + dedent(conftest))
    environment = os.environ | _surroundings(private) | variables
    environment |= {"TMPDIR": str(places["tmp"]), "XDG_CACHE_HOME": str(places["cache"])}
    environment |= {"HOME": str(places["home"]), "TOLD": str(private / "told")}
    output = ""
    with secrecy.watched_processes() as processes:
        for words in (["pytest", *LOUD, *WRITTEN, *options], *commands):
            output += subprocess.run(
                [sys.executable, "-m", *words],
                cwd=project,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ).stdout
    told = (private / "told").read_text().split() + (private / "ours").read_text().split()
    return Finished(folder, output, set(told), processes)


def _surroundings(private: Path) -> dict[str, str]:
    """Return variables of proxies and of a folder with logins; their passwords go to a file."""
    proxy, other, login = (f"sentinel-{secrets.token_hex(6)}" for _ in range(3))
    (private / "ours").write_text(f"{proxy}\n{other}\n{login}\n")
    auth = base64.b64encode(f"user:{login}".encode()).decode()
    config = {
        "auths": {"registry.invalid": {"auth": auth}},
        "proxies": {"default": {"httpProxy": f"http://user:{other}@127.0.0.1:9"}},
    }
    (private / "config.json").write_text(json.dumps(config))
    address = f"http://user:{proxy}@127.0.0.1:9"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {"DOCKER_CONFIG": str(private)} | dict.fromkeys(names, address)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_environment")
@pytest.mark.parametrize("options", [(), ("-n", "2"), ("--wflo-reuse",)], ids=" ".join)
def test_servers_of_the_kits_own(tmp_path: Path, options: tuple[str, ...]) -> None:
    try:
        done = run(tmp_path, FAILING + BROKERS, *options, commands=COMMANDS)
    finally:
        remove_all_of(UserFolder(tmp_path / "cache" / "wflo-testkit" / "servers"))

    assert "6 failed" in done.output, done.output
    assert len(done.told) >= 3 + 4
    assert done.leaks() == NONE


@pytest.fixture(scope="module")
def others() -> Iterator[Broker]:
    """A run whose servers are external ones to all others."""
    with run_of_its_own() as broker:
        yield broker


def outside(broker: Broker) -> dict[str, str]:
    """Return the variables that make servers of another run the external ones."""
    servers = [asker(broker, service).server for service in ("postgres", "redis")]
    return {address_setting(server): server.url for server in servers}  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_environment")
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_external_servers(tmp_path: Path, options: tuple[str, ...], others: Broker) -> None:
    done = run(tmp_path, FAILING, *options, **outside(others))

    assert "4 failed" in done.output, done.output
    assert "postgres  external at " in done.output
    assert done.leaks() == NONE


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_environment")
def test_warm_images(tmp_path: Path) -> None:
    making = """
    import subprocess, sys

    def test_makes(told_of_postgres):
        command = [sys.executable, "-m", "wflo_testkit.cli.main", "images", "warm", "postgres"]
        subprocess.run(command, check=True)
    """
    # An image that nobody else has: by a parameter of a class that Postgres leaves to others.
    unique = json.dumps({"wflo.test": secrets.token_hex(6)})

    done = run(tmp_path, making, "-s", WFLO_TESTKIT_POSTGRES_ARGUMENTS=unique)

    notes = Notes(UserFolder(tmp_path / "cache" / "wflo-testkit" / "warm"))
    [image] = [f"sha256:{path.stem}" for path in notes.home.files("*.json")]
    done.told.add(str(notes.password(image)))
    try:
        assert "1 passed" in done.output, done.output
        assert done.leaks([image]) == NONE
    finally:
        remove_image(image)


UNMASKED = """
from wflo_testkit.plugin.passwords import Passwords
Passwords.mask = lambda self, text: text
"""


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_environment")
def test_without_the_mask_a_failure_prints_them(tmp_path: Path, others: Broker) -> None:
    done = run(tmp_path, FAILING, conftest=UNMASKED, **outside(others))

    leaks = done.leaks()
    assert leaks["printed"]
    assert leaks["files"] == [str(tmp_path / "project" / "junit.xml")]


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_environment")
def test_a_planted_leak_is_found_in_each_place(tmp_path: Path, others: Broker) -> None:
    leaking = """
    import json, subprocess, sys
    import docker
    from wflo_testkit.wait import pause

    EMPTY = bytes(1024)  # the end of a tar file

    def test_leaks(told_of_redis, redis_database, capfd):
        secret = redis_database.password
        with capfd.disabled():
            print(secret)
        with open("seen.txt", "w") as file:
            file.write(redis_database.url)
        with subprocess.Popen([sys.executable, "-c", "input()", secret], stdin=-1) as process:
            pause(0.5)
            process.stdin.close()
        client = docker.from_env()
        told = client.api.import_image_from_data(EMPTY, changes=["LABEL leak=" + secret])
        with open("image", "w") as file:
            file.write(json.loads(told)["status"])
        client.close()
    """
    done = run(tmp_path, leaking, **outside(others))
    image = (tmp_path / "project" / "image").read_text()
    try:
        leaks = done.leaks([image])
    finally:
        remove_image(image)

    assert [len(found) > 0 for found in leaks.values()] == [True] * 4
    assert str(tmp_path / "project" / "seen.txt") in leaks["files"]


def remove_image(image: str) -> None:
    client = docker.from_env()
    client.api.remove_image(image, force=True)
    client.close()
