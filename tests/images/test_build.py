"""What is built when, on a daemon that is a fake."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import cast

import docker
import pytest

from tests.images.fakes import FakeDocker
from wflo_testkit import catalog
from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.runtime import build, inputs, provision

ENTRIES = catalog.entries()
SERVICES = [entry.name for entry in catalog.services()]


def current(*names: str) -> dict[str, dict[str, str]]:
    """Images of a daemon that has the stand-ins of `names`, built from today's files."""
    return {ENTRIES[n].local: {inputs.LABEL: inputs.digest(ENTRIES[n])} for n in names}


def base_tree() -> dict[str, dict[str, str]]:
    return {ENTRIES["base"].rootfs: {}}


def built(fake: FakeDocker, *names: str, no_cache: bool = False) -> list[str]:
    client = cast("docker.DockerClient", fake)
    return build.build(client, names, report=lambda *_: None, no_cache=no_cache, may_pull=False)


@pytest.fixture(autouse=True)
def _own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of this machine's user are not held up."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_needs_are_built_before() -> None:
    fake = FakeDocker(base_tree())

    assert built(fake, "temporal") == ["base", "go", "temporal"]
    assert fake.api.made("build") == [ENTRIES[n].local for n in ("base", "go", "temporal")]


def test_what_is_current_is_left_alone() -> None:
    fake = FakeDocker(current("base", "go", "redis"))

    assert built(fake, "redis") == []
    assert fake.api.made("build") == []


def test_without_the_cache_everything_is_built_anew() -> None:
    fake = FakeDocker(current("base", "redis") | base_tree())

    assert built(fake, "redis", no_cache=True) == ["base", "redis"]


def test_changed_inputs_are_built_again() -> None:
    fake = FakeDocker(current("base") | {ENTRIES["redis"].local: {inputs.LABEL: "older"}})

    assert built(fake, "redis") == ["redis"]


def test_a_failed_build_shows_its_last_output_and_stops_what_needs_it() -> None:
    fake = FakeDocker(base_tree())
    fake.api.failing = {ENTRIES["go"].local}

    with pytest.raises(ImageUnavailable) as caught:
        built(fake, "temporal", "redis")

    message = str(caught.value)
    assert f"building {ENTRIES['go'].local} failed" in message
    assert "some output" in message
    assert "non-zero code: 100" in message
    assert ENTRIES["temporal"].local not in fake.api.made("build")
    assert ENTRIES["redis"].local in fake.api.made("build")


def test_the_base_starts_from_the_published_image_where_it_is_here() -> None:
    fake = FakeDocker({ENTRIES["base"].official: {}})

    assert built(fake, "base") == ["base"]
    assert ("inspect", ENTRIES["base"].rootfs) not in fake.api.calls


def test_every_image_is_pulled_where_a_registry_answers() -> None:
    published = {entry.official for entry in catalog.services()}
    fake = FakeDocker(published=published, registry=True)

    provision.provide(cast("docker.DockerClient", fake), report=lambda *_: None)

    assert published == set(fake.api.made("pull"))
    assert fake.api.made("build") == []


def test_a_registry_that_does_not_answer_is_asked_once() -> None:
    fake = FakeDocker(base_tree())

    provision.provide(cast("docker.DockerClient", fake), report=lambda *_: None)

    assert len(fake.api.made("pull")) == 1
    assert {ENTRIES[name].local for name in SERVICES} <= set(fake.api.made("build"))


def test_only_what_a_registry_lacks_is_built() -> None:
    published = {entry.official for entry in catalog.services()} - {ENTRIES["redis"].official}
    fake = FakeDocker(base_tree(), published, registry=True)

    provision.provide(cast("docker.DockerClient", fake), report=lambda *_: None)

    assert fake.api.made("build") == [ENTRIES[n].local for n in ("base", "redis")]


def test_nothing_is_asked_of_a_registry_when_all_is_here() -> None:
    fake = FakeDocker(current("base", "go", *SERVICES))

    provision.provide(cast("docker.DockerClient", fake), report=lambda *_: None)

    assert fake.api.made("pull") == []
    assert fake.api.made("build") == []


def test_a_version_that_is_named_is_built_on_the_tree_of_its_suite() -> None:
    suite = ENTRIES["base-forky"]
    fake = FakeDocker({suite.rootfs: {}})

    provision.provide(
        cast("docker.DockerClient", fake), ["postgres-18"], source="local", report=lambda *_: None
    )

    assert fake.api.made("build") == [suite.local, ENTRIES["postgres-18"].local]
    assert fake.api.arguments[-1]["BASE"] == suite.local
    [state] = provision.states(cast("docker.DockerClient", fake), ["postgres-18"])
    assert (state.name, state.serves, state.current) == ("postgres-18", "local", True)


def test_the_hash_follows_files_arguments_and_needs(tmp_path: Path) -> None:
    def entry(version: str, needs: tuple[str, ...] = ()) -> catalog.ImageEntry:
        args = {"VERSION": version}
        return catalog.ImageEntry("x", "x:1", "local/x:1", tmp_path, "service", needs, args, "")

    (tmp_path / "Dockerfile").write_text("FROM scratch")
    first = inputs.digest(entry("1"))

    assert first == inputs.digest(entry("1"))
    assert first != inputs.digest(entry("2"))
    assert first != inputs.digest(entry("1", ("base",)))
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert first != inputs.digest(entry("1"))


def test_the_context_brings_the_certificates_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of all for Go, one file each for Java; and they do not change the hash."""
    before = inputs.digest(ENTRIES["ryuk"])
    pem = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"
    bundle = tmp_path / "bundle.crt"
    bundle.write_text(f"# a comment\n{pem.format('AAA')}\n{pem.format('BBB')}\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))

    with tarfile.open(fileobj=io.BytesIO(inputs.context(ENTRIES["ryuk"]))) as archive:
        names = archive.getnames()
        member = archive.extractfile("ca/bundle.pem")

    assert member is not None
    assert member.read().count(b"BEGIN CERTIFICATE") == 2
    assert sum(name.startswith("ca/") and name.endswith(".crt") for name in names) == 2
    assert "Dockerfile" in names
    assert before == inputs.digest(ENTRIES["ryuk"])
