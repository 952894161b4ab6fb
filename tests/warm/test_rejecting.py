"""Which warm images are taken out of use, for all users of the daemon, and which are not."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from testcontainers.core.config import testcontainers_config

from tests.conftest import Run
from tests.services.third_party import notes_service
from tests.warm.conftest import Begin
from tests.warm.parts import makers_of
from wflo_testkit import __version__, services
from wflo_testkit.broker import starting
from wflo_testkit.broker.warming import order_of
from wflo_testkit.cli import project
from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Recipe, Server, Spec
from wflo_testkit.runtime import images
from wflo_testkit.runtime.warm import making, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order, tag_of
from wflo_testkit.service import Service

Plant = Callable[..., tuple[Service, Spec, Order]]
NOWHERE = "255.255.255.255"
"""An address to which no connection is ever made (RFC 919)."""


@pytest.fixture
def plant(client: docker.DockerClient, kit: str, notes: Notes) -> Plant:
    """plant("sh", "-c", ...) -> a service whose warm image is there, and runs that command."""

    def plant(*command: str, check: str = "[ -s /word ]") -> tuple[Service, Spec, Order]:
        memory = f"{secrets.randbelow(900) + 16}mb"
        spec = notes_service.spec("notes", {"image": "", "memory": memory})
        spec = dataclasses.replace(spec, startup_timeout=2.0)

        def recipe(spec: Spec, _password: str) -> Recipe:
            start = dataclasses.replace(spec, command=command or spec.command)
            return Recipe(script="echo made >/word", check=check, start=start)

        service = dataclasses.replace(notes_service.SERVICE, warm=recipe)
        order = order_of(spec, service, images.resolve(client, spec.image), kit)
        work.get(client, dataclasses.replace(order, check="true"), notes)
        return service, spec, order

    return plant


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for published ports where they are not; and so do without Ryuk, which has one."""
    monkeypatch.setenv("TESTCONTAINERS_HOST_OVERRIDE", NOWHERE)
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)


@pytest.mark.slow
@pytest.mark.usefixtures("unreachable")
def test_a_server_that_nobody_reaches_costs_no_image(
    client: docker.DockerClient, begin: Begin, notes: Notes, plant: Plant
) -> None:
    service, spec, order = plant()
    there = warm_images.find(client, order.key)
    broker = begin(service, notes)
    with pytest.raises(StartFailed, match=r"was not ready after 2 s") as caught:
        broker.servers.get(spec)

    assert f"{NOWHERE}:" in str(caught.value)
    assert "warm_images = false" in str(caught.value)
    assert warm_images.find(client, order.key) == there != ""
    assert notes.failures() == []
    assert not any(order.key in note for note in broker.notes)
    assert makers_of(client, order.key) == []


@pytest.mark.slow
def test_an_image_whose_server_ends_is_taken_out_of_use_and_named(
    client: docker.DockerClient, begin: Begin, notes: Notes, plant: Plant
) -> None:
    service, spec, order = plant("sh", "-c", "exit 3")
    broker = begin(service, notes)
    server = broker.servers.get(spec)

    assert "warm" not in server.origin
    assert warm_images.find(client, order.key) == ""
    reason = "its server exited with code 3"
    assert [failure.reason for failure in notes.failures()] == [
        f"a server did not start from it: {reason}"
    ]
    assert broker.notes == [f"the warm image {tag_of(order.key)} of notes is out of use: {reason}"]


@pytest.mark.slow
def test_an_image_whose_own_check_fails_is_taken_out_of_use_and_named(
    client: docker.DockerClient, begin: Begin, notes: Notes, plant: Plant
) -> None:
    service, spec, order = plant("sleep", "60", check="echo it is hollow; exit 1")
    broker = begin(service, notes)
    server = broker.servers.get(spec)

    assert "warm" not in server.origin
    assert warm_images.find(client, order.key) == ""
    [said] = broker.notes
    assert said.endswith("of notes is out of use: its own check exited with code 1 (it is hollow)")
    assert makers_of(client, order.key) == []


@pytest.mark.slow
@pytest.mark.parametrize("code", [137, 143])
def test_an_image_whose_server_was_killed_stays_and_another_is_started(
    client: docker.DockerClient, begin: Begin, notes: Notes, plant: Plant, code: int
) -> None:
    service, spec, order = plant("sh", "-c", f"exit {code}")
    broker = begin(service, notes)
    server = broker.servers.get(spec)

    assert "warm" not in server.origin
    assert warm_images.find(client, order.key)
    assert broker.notes == []


@pytest.mark.slow
def test_an_image_whose_check_takes_too_long_says_nothing_against_itself(
    client: docker.DockerClient,
    begin: Begin,
    notes: Notes,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "CHECK_LIMIT", 1.0)
    service, spec, order = plant("sleep", "60", check="sleep 60")
    with pytest.raises(StartFailed, match="was not ready"):
        begin(service, notes).servers.get(spec)

    assert warm_images.find(client, order.key)


@pytest.mark.slow
def test_an_image_that_goes_before_it_is_started_is_done_without(
    client: docker.DockerClient,
    begin: Begin,
    notes: Notes,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, spec, order = plant()
    start = starting.Starter._ready

    def too_late(self: starting.Starter, *given: object) -> Server:
        monkeypatch.undo()
        client.api.remove_image(tag_of(order.key))
        return start(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(starting.Starter, "_ready", too_late)
    broker = begin(service, notes)

    assert "warm" not in broker.servers.get(spec).origin
    assert (notes.failures(), broker.notes) == ([], [])


@pytest.mark.slow
@pytest.mark.usefixtures("unreachable")
def test_mutant_that_blames_the_image_for_every_failure_is_seen_to_remove_it(
    client: docker.DockerClient,
    begin: Begin,
    notes: Notes,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, spec, order = plant()
    monkeypatch.setattr(making, "fault", lambda *_given: "it did not answer")
    with pytest.raises(StartFailed):
        begin(service, notes).servers.get(spec)

    assert warm_images.find(client, order.key) == ""


SUITE = """
def test_it(postgres_database):
    pass
"""


@pytest.mark.slow
def test_the_summary_of_a_run_names_what_was_taken_out_of_use(
    client: docker.DockerClient, own_images: Notes, run_suite: Run
) -> None:
    spec = project.read(Path.cwd()).specs["postgres"]
    order = order_of(
        spec, services.row("postgres"), images.resolve(client, spec.image), __version__
    )
    hollow = dataclasses.replace(order, script="mkdir -p /wflo-warm/cluster", check="true")
    work.get(client, hollow, own_images)

    result = run_suite(SUITE, "--wflo-require")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "postgres * ready in *",
            f"the warm image {tag_of(order.key)} of postgres is out of use: "
            "its server exited with code 1",
        ]
    )
    assert warm_images.find(client, order.key) == ""
