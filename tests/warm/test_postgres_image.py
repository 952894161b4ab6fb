"""A warm Postgres: it serves at once, was stopped cleanly, and gives no password away."""

from __future__ import annotations

import dataclasses
import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import psycopg
import pytest

from tests.warm.conftest import Begin
from tests.warm.parts import images_of
from wflo_testkit import services, settings
from wflo_testkit.broker.warming import order_of
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime import images
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm import making, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import wait_until

pytestmark = pytest.mark.slow

POSTGRES = services.table()["postgres"]


def spec_of(**changed: object) -> Spec:
    own = (*settings.common("postgres"), *POSTGRES.options)
    defaults = {option.key.removeprefix("postgres_"): option.default for option in own}
    return POSTGRES.spec("postgres", defaults | changed)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """The notes of the machine on which the image is made."""
    return Notes(UserFolder(tmp_path_factory.mktemp("machine") / "warm"))


@pytest.fixture(scope="module")
def ordered(client: docker.DockerClient, kit: str) -> Order:
    spec = spec_of()
    return order_of(spec, POSTGRES, images.resolve(client, spec.image), kit)


@pytest.fixture(scope="module")
def image(client: docker.DockerClient, ordered: Order, machine: Notes) -> str:
    """The content id of a warm image of the default Spec."""
    return work.get(client, ordered, machine)[0]


@pytest.fixture
def server(begin: Begin, machine: Notes, image: str) -> Server:
    return begin(POSTGRES, machine).servers.get(spec_of())


def ask(server: Server, sql: str, **changed: str) -> object:
    address = POSTGRES.server.from_json(server.to_json()).address  # type: ignore[attr-defined]
    keywords = address.keywords() | {"connect_timeout": 10} | changed
    with psycopg.connect(**keywords, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def test_a_server_is_started_from_it_under_its_own_name(server: Server, ordered: Order) -> None:
    assert server.image == ordered.reference
    assert server.origin.endswith(", warm")
    assert server.password == ordered.password
    assert ask(server, "SELECT 1") == 1
    assert ask(server, "SHOW fsync") == "off"
    assert ask(server, "SELECT pg_encoding_to_char(encoding) FROM pg_database LIMIT 1") == "UTF8"


@pytest.mark.slow
def test_two_servers_of_one_image_have_nothing_in_common(
    begin: Begin, machine: Notes, server: Server
) -> None:
    other = begin(POSTGRES, machine).servers.get(spec_of())
    ask(server, "SELECT lo_create(4242)")

    count = "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = 4242"
    assert [ask(each, count) for each in (server, other)] == [1, 0]


def test_a_wrong_password_is_refused(server: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(server, "SELECT 1", password=secrets.token_hex(16))


@pytest.mark.usefixtures("image")
def test_the_password_is_in_a_file_of_the_users_alone(machine: Notes, ordered: Order) -> None:
    holders = [p for p in machine.home.folder.iterdir() if ordered.password in p.read_text()]

    assert [path.stat().st_mode & 0o777 for path in holders] == [0o600]
    assert machine.home.folder.stat().st_mode & 0o777 == 0o700


def test_neither_history_nor_configuration_tells_the_password(
    client: docker.DockerClient, image: str, ordered: Order
) -> None:
    told = json.dumps([client.api.history(image), client.api.inspect_image(image)])

    assert len(ordered.password) == 32
    assert ordered.password not in told
    assert "SCRAM-SHA-256" not in told
    assert "POSTGRES_PASSWORD=" not in told


@pytest.mark.slow
def test_no_file_of_the_image_holds_the_password(
    client: docker.DockerClient, image: str, ordered: Order
) -> None:
    top = layers(b"".join(client.images.get(image).save()))[-1]

    assert ordered.password.encode() not in top
    assert b"SCRAM-SHA-256$1:" in top, "what is there the search finds"
    assert b"wflo-warm/verifier" not in top


def layers(saved: bytes) -> list[bytes]:
    """Return the layers of a saved image, lowest first, each an uncompressed tar archive."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:

        def content(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        [manifest] = json.loads(content("manifest.json"))
        return [content(name) for name in manifest["Layers"]]


def test_loaded_elsewhere_it_gets_a_new_password_at_each_start(
    begin: Begin, notes: Notes, image: str, ordered: Order
) -> None:
    elsewhere = [begin(POSTGRES, notes).servers.get(spec_of()) for _ in range(2)]

    assert image
    assert all(server.origin.endswith(", warm") for server in elsewhere)
    assert len({ordered.password, *(server.password for server in elsewhere)}) == 3
    for server in elsewhere:
        assert ask(server, "SELECT 1") == 1
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ask(server, "SELECT 1", password=ordered.password)


def test_the_cluster_was_stopped_cleanly(
    client: docker.DockerClient, image: str, server: Server
) -> None:
    log = client.containers.get(server.container_id).logs().decode()

    assert image
    assert "database system was shut down at" in log
    assert "not properly shut down" not in log


@pytest.fixture
def commits_too_early(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A maker that does not wait until its container has ended."""

    def until_it_serves(container: docker.models.containers.Container, *_rest: object) -> None:
        first.append(container)
        if len(first) > 1:
            return honest(container, *_rest)  # type: ignore[arg-type]  # the check
        # The second one: the first is the temporary server's, which is stopped cleanly.
        return wait_until(lambda: container.logs().count(b"ready to accept") > 1, timeout=60)

    first: list[object] = []
    honest = making._await_end
    monkeypatch.setattr(making, "_await_end", until_it_serves)
    yield
    assert len(first) == 2, "the check was reached"


@pytest.mark.slow
@pytest.mark.usefixtures("commits_too_early")
def test_an_image_of_a_running_server_is_caught(
    client: docker.DockerClient, ordered: Order, notes: Notes
) -> None:
    # Without this it may be stopped before it is committed.
    script = ordered.script.replace("kill -INT $server", "sleep 300 & wait $!\nkill -INT $server")
    early = dataclasses.replace(ordered, key=secrets.token_hex(12), script=script)

    with pytest.raises(making.MakingFailed, match="exited with code 1") as caught:
        making.make(client, early, notes)

    assert script != ordered.script
    assert "Database cluster state:" in caught.value.text
    assert "in production" in caught.value.text
    assert warm_images.find(client, early.key) == ""
    assert images_of(client, early.key) == []


def test_a_spec_that_somebody_has_changed_is_started_as_it_is() -> None:
    spec = spec_of()
    own_password = spec.environment | {"POSTGRES_PASSWORD": "of the suite's own"}

    assert POSTGRES.warm is not None
    assert POSTGRES.warm(spec, "") is not None
    assert POSTGRES.warm(dataclasses.replace(spec, environment=own_password), "") is None
    assert POSTGRES.warm(dataclasses.replace(spec, command=("pgbouncer",)), "") is None


@pytest.mark.slow
def test_a_server_that_does_not_start_from_it_is_started_without_it(
    begin: Begin, machine: Notes, client: docker.DockerClient, kit: str, tmp_path: Path
) -> None:
    spec = spec_of(max_connections=77)
    good = order_of(spec, POSTGRES, images.resolve(client, spec.image), kit)
    hollow = dataclasses.replace(good, script="mkdir -p /wflo-warm/cluster", check="true")
    notes = Notes(UserFolder(tmp_path / "warm"))
    work.get(client, hollow, notes)

    server = begin(POSTGRES, notes).servers.get(spec)

    assert ask(server, "SHOW max_connections") == "77"
    assert "warm" not in server.origin
    assert warm_images.find(client, good.key) == ""
    failure = notes.failure(good.key)
    assert failure is not None
    assert "a server did not start from it" in failure.reason
