"""The proxy settings of a machine, passwords included, are in no warm image for long."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from tests.services.third_party import notes_service
from tests.warm.conftest import Begin
from tests.warm.parts import images_of, of
from wflo_testkit.broker.warming import order_of
from wflo_testkit.cli.main import main
from wflo_testkit.model import Recipe, Spec
from wflo_testkit.runtime import daemon, images
from wflo_testkit.runtime.warm import making, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import REPOSITORY, Order

PASSWORD = secrets.token_hex(8)
PROXY = f"http://me:{PASSWORD}@127.0.0.1:3128"


@pytest.fixture
def behind_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[docker.DockerClient]:
    """A client whose `config.json` has proxy settings."""
    settings = {"httpProxy": PROXY, "httpsProxy": PROXY, "noProxy": "localhost"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": settings}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = daemon.connect().client
    yield client
    client.close()


@pytest.fixture
def of_an_older_kit(
    client: docker.DockerClient, behind_a_proxy: docker.DockerClient, order: Order
) -> str:
    """The id of an image as older kits have made it there, under the very same key."""
    maker = behind_a_proxy.containers.create(order.base, ["sh", "-c", order.script])
    try:
        made = str(making._commit(behind_a_proxy, maker, order))
    finally:
        maker.remove(v=True)
    client.api.tag(made, REPOSITORY, order.key)
    assert PASSWORD in json.dumps(client.api.inspect_image(made)["Config"]), "what is looked for"
    return made


def test_what_is_made_behind_a_proxy_knows_nothing_of_it(
    behind_a_proxy: docker.DockerClient, order: Order, notes: Notes
) -> None:
    image, _ = work.get(behind_a_proxy, order, notes)

    api = behind_a_proxy.api
    assert PASSWORD not in json.dumps([api.inspect_image(image), api.history(image)])
    below, above = (api.inspect_image(each)["Config"]["Env"] for each in (order.base, image))
    assert above == below


def test_an_image_with_proxy_settings_is_made_anew_and_goes(
    client: docker.DockerClient, order: Order, notes: Notes, of_an_older_kit: str
) -> None:
    found = warm_images.find(client, order.key)
    image, is_new = work.get(client, order, notes)

    assert found == ""
    assert is_new
    assert warm_images.find(client, order.key) == image != of_an_older_kit
    assert [each["Id"] for each in images_of(client, order.key)] == [image]


def test_no_server_is_started_from_one(
    client: docker.DockerClient, begin: Begin, kit: str, notes: Notes
) -> None:
    spec = notes_service.spec("notes", {"image": "", "memory": f"{secrets.randbelow(900) + 16}mb"})

    def recipe(spec: Spec, _password: str) -> Recipe:
        return Recipe(script="echo made >/word", check="[ -s /word ]", start=spec)

    service = dataclasses.replace(notes_service.SERVICE, warm=recipe)
    order = order_of(spec, service, images.resolve(client, spec.image), kit)
    plant(client, order, f"http_proxy={PROXY}")

    broker = begin(service, notes, may_make=False)

    assert "warm" not in broker.servers.get(spec).origin


def plant(client: docker.DockerClient, order: Order, variable: str) -> None:
    """Put an image in the place of the one of `order` that has a variable of its own."""
    maker = client.containers.create(order.base, ["true"], environment=[variable])
    try:
        client.api.tag(making._commit(client, maker, order), REPOSITORY, order.key)
    finally:
        maker.remove(v=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "is_found"),
    [
        (f"HTTP_PROXY={PROXY}", False),
        ("all_proxy=socks5://127.0.0.1", False),
        ("NO_PROXY=localhost", False),
        ("PROXY_OF=nobody", True),
        ("LANG=C", True),
    ],
    ids=lambda each: each.partition("=")[0] if isinstance(each, str) else "",
)
def test_proxy_settings_are_told_from_other_variables(
    client: docker.DockerClient, order: Order, variable: str, is_found: bool
) -> None:
    plant(client, order, variable)

    assert bool(warm_images.find(client, order.key)) is is_found


@pytest.mark.slow
def test_those_of_the_image_below_are_nobodys_secret(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    maker = client.containers.create(order.base, ["true"])
    below = client.api.commit(maker.id, changes=[f"ENV https_proxy={PROXY}"])["Id"]
    maker.remove(v=True)
    try:
        image, _ = work.get(client, dataclasses.replace(order, base=below), notes)
        assert warm_images.find(client, order.key) == image
        assert PROXY in json.dumps(client.api.inspect_image(image)["Config"]["Env"])
        client.api.remove_image(image, force=True)
    finally:
        with contextlib.suppress(ImageNotFound):  # it went with the one above
            client.api.remove_image(below, force=True)


def test_they_are_pruned_whatever_their_age_and_not_saved(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    of_an_older_kit: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything = warm_images.every
    monkeypatch.setattr(
        warm_images, "every", lambda *given: [i for i in everything(*given) if i.key == order.key]
    )
    assert main(["images", "list", "--warm"]) == 0
    assert f"{order.key} (not in use)" in capsys.readouterr().out
    assert main(["images", "save", str(tmp_path / "warm.tar")]) == 1
    assert "there are no warm images" in capsys.readouterr().err

    gone = warm_images.prune(client, notes, among=of(order))

    assert [image.id for image in gone] == [of_an_older_kit]
    assert images_of(client, order.key) == []


@pytest.mark.slow
def test_one_that_a_server_runs_from_stays_until_that_has_ended(
    client: docker.DockerClient, order: Order, notes: Notes, of_an_older_kit: str
) -> None:
    server = client.api.create_container(of_an_older_kit)
    try:
        image, _ = work.get(client, order, notes)
        assert warm_images.find(client, order.key) == image
        assert warm_images.prune(client, notes, among=of(order)) == []
    finally:
        client.api.remove_container(server["Id"], v=True)

    assert [each.id for each in warm_images.prune(client, notes, among=of(order))] == [
        of_an_older_kit
    ]


@pytest.mark.slow
def test_mutant_that_makes_images_with_the_clients_settings_is_caught(
    behind_a_proxy: docker.DockerClient,
    order: Order,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = type(behind_a_proxy.containers).create

    def as_before(self: object, *given: object, **named: object) -> object:
        named.pop("use_config_proxy")
        return create(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(type(behind_a_proxy.containers), "create", as_before)
    image, _ = work.get(behind_a_proxy, order, notes)

    assert PASSWORD in json.dumps(behind_a_proxy.api.inspect_image(image))
    assert warm_images.find(behind_a_proxy, order.key) == ""
