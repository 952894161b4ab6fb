"""Which image serves, on a daemon that is a fake."""

from __future__ import annotations

from typing import cast

import docker
import pytest

from tests.images.fakes import NO_HOST, FakeDocker
from wflo_testkit import catalog
from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime import pull
from wflo_testkit.runtime.images import ResolvedImage, resolve

ENTRY = catalog.entries()["redis"]


def resolved(fake: FakeDocker, image: str, policy: str = "auto") -> ResolvedImage:
    return resolve(cast("docker.DockerClient", fake), image, policy=policy)


def test_the_published_image_goes_first() -> None:
    """With one call to the daemon."""
    fake = FakeDocker({ENTRY.official: {}, ENTRY.local: {}})

    image = resolved(fake, ENTRY.official)

    assert (ENTRY.official, "official") == (image.reference, image.origin)
    assert fake.api.calls == [("inspect", ENTRY.official)]


def test_the_stand_in_serves_where_the_published_one_is_not_here() -> None:
    """No registry is asked."""
    fake = FakeDocker({ENTRY.local: {}}, {ENTRY.official}, registry=True)

    image = resolved(fake, ENTRY.official)

    assert (ENTRY.local, "local") == (image.reference, image.origin)
    assert image.reason == f"{ENTRY.official} is not on the daemon"
    assert fake.api.made("pull") == []


def test_what_is_not_here_is_pulled() -> None:
    fake = FakeDocker(published={ENTRY.official}, registry=True)

    assert resolved(fake, ENTRY.official).origin == "official"
    assert fake.api.made("pull") == [ENTRY.official]


def test_the_error_names_both_images_the_cause_and_the_remedy() -> None:
    with pytest.raises(ImageUnavailable) as caught:
        resolved(FakeDocker(), ENTRY.official)

    message = str(caught.value)
    assert f"image {ENTRY.official} is not on the daemon and could not be pulled" in message
    assert NO_HOST in message
    assert ENTRY.local in message
    assert "run `wflo-testkit images pull`" in message


@pytest.mark.parametrize("name", ["postgres-18", "rabbitmq"])
def test_the_remedy_names_what_is_made_by_name_only(name: str) -> None:
    with pytest.raises(ImageUnavailable) as caught:
        resolved(FakeDocker(), catalog.official(name))

    assert f"run `wflo-testkit images pull {name}`" in str(caught.value)


def test_a_policy_forces_the_published_image() -> None:
    with pytest.raises(ImageUnavailable):
        resolved(FakeDocker({ENTRY.local: {}}), ENTRY.official, "official")


def test_a_policy_forces_the_stand_in() -> None:
    here = {ENTRY.official: {}, ENTRY.local: {}}

    assert resolved(FakeDocker(here), ENTRY.official, "local").reference == ENTRY.local
    with pytest.raises(ImageUnavailable, match="wflo-testkit images build redis"):
        resolved(FakeDocker({ENTRY.official: {}}), ENTRY.official, "local")


@pytest.mark.parametrize("policy", ["auto", "official", "local"])
def test_an_image_of_the_users_own_is_taken_as_it_is(policy: str) -> None:
    image = resolved(FakeDocker({"mine:3": {}}), "mine:3", policy)

    assert (image.reference, image.origin) == ("mine:3", "user")


def test_an_unknown_image_of_the_users_own() -> None:
    with pytest.raises(ImageUnavailable, match="check the name"):
        resolved(FakeDocker(registry=True), "mine:3")


def test_no_tag_means_the_latest_never_all_of_them() -> None:
    fake = FakeDocker(published={"mine:latest"}, registry=True)

    pull.pull(cast("docker.DockerClient", fake), "mine")

    assert fake.api.made("pull") == ["mine:latest"]


def test_progress_counts_layers() -> None:
    lines: list[str] = []
    fake = FakeDocker(published={"mine:1"}, registry=True)

    pull.pull(cast("docker.DockerClient", fake), "mine:1", report=lines.append)

    assert lines == ["1 of 1 layers of mine:1"]


@pytest.mark.parametrize("registry", [True, False])
def test_a_failure_tells_whether_a_registry_answered(registry: bool) -> None:
    with pytest.raises(pull.PullFailed) as caught:
        pull.pull(cast("docker.DockerClient", FakeDocker(registry=registry)), "mine:1")

    assert caught.value.reachable is registry


def test_a_silent_registry_is_given_up_soon() -> None:
    import threading

    fake, never = FakeDocker(), threading.Event()
    fake.api.pull = lambda *_, **__: never.wait()  # type: ignore[assignment, method-assign]

    with pytest.raises(pull.PullFailed, match=r"no answer within 0\.1 s") as caught:
        pull.pull(cast("docker.DockerClient", fake), "mine:1", first_answer=0.1)

    never.set()
    assert not caught.value.reachable
