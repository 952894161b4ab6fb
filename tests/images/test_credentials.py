"""Credentials are for pulls, and go to the registry that they are for."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import docker
import pytest
from docker.auth import INDEX_URL as HUB

from tests.images.fakes import FakeDocker
from tests.lifecycle.proxy import Proxy
from wflo_testkit.runtime import daemon, pull
from wflo_testkit.runtime.address import Endpoint


def given(*registries: str, **more: object) -> str:
    """Return a DOCKER_AUTH_CONFIG with a login for each registry."""
    auth = base64.b64encode(b"name:secret").decode()
    return json.dumps({"auths": {each: {"auth": auth} for each in registries}} | more)


@pytest.mark.parametrize(
    ("config", "image", "server"),
    [
        (given("registry.invalid:5000"), "registry.invalid:5000/shop/app", "registry.invalid:5000"),
        (given("one.invalid", "two.invalid"), "two.invalid/app", "two.invalid"),
        (given("https://registry.invalid"), "registry.invalid/app", "https://registry.invalid"),
        (given(HUB), "redis", HUB),
        (given("registry.invalid"), "redis", None),
        (given("registry.invalid"), "other.invalid/app", None),
        ('{"auths": {"registry.invalid": {}}}', "registry.invalid/app", None),
        ('{"auths": {}}', "redis", None),
        ("", "redis", None),
    ],
)
def test_the_login_of_the_images_own_registry_is_chosen(
    monkeypatch: pytest.MonkeyPatch, config: str, image: str, server: str | None
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", config)
    monkeypatch.setenv("DOCKER_CONFIG", "/nowhere")
    login = pull.credentials(image)

    assert (login and login["serveraddress"]) == server
    assert (login and (login["username"], login["password"])) == (server and ("name", "secret"))


@pytest.mark.parametrize(
    "config", ["{", "[1]", '{"auths": ["x"]}', given("x", auths={"x": {"auth": "!"}})]
)
def test_what_cannot_be_read_fails_a_pull_and_is_named(
    monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", config)
    fake = cast("docker.DockerClient", FakeDocker(published={"app:1"}, registry=True))
    with pytest.raises(pull.PullFailed, match="DOCKER_AUTH_CONFIG cannot be read"):
        pull.pull(fake, "app:1")


def test_the_daemon_is_told_of_them_with_the_pull_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = "127.0.0.1:9"  # nobody listens there
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", given(registry))
    way = Proxy()
    client = daemon.connect(Endpoint(way.address)).client
    try:
        assert told(way) == []
        with pytest.raises(pull.PullFailed, match="refused"):
            pull.pull(client, f"{registry}/app:1")
    finally:
        client.close()
        way.cut()

    [login] = told(way)
    assert (login["username"], login["password"]) == ("name", "secret")


def told(way: Proxy) -> list[dict[str, Any]]:
    """Return the credentials that went to the daemon (Engine API, authentication)."""
    lines = [line for head in way.heads for line in head.split(b"\r\n")]
    sent = [line.partition(b": ")[2] for line in lines if line.startswith(b"X-Registry-Auth")]
    return [json.loads(base64.urlsafe_b64decode(each)) for each in sent]
