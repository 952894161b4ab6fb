"""`clean` removes what dead runs left, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DEAD, Run
from wflo_testkit.runtime import folders, labels, leftovers
from wflo_testkit.runtime.leftovers import Thing

Plant = Callable[..., str]


def exists(api: Any, container: str) -> bool:
    return bool(api.containers(all=True, filters={"id": container}))


def test_a_dead_runs_container_network_and_volume_are_removed_and_named(
    api: Any, plant: Plant, command: Run, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    container = plant()
    marks = {labels.KIT: "network", labels.RUN: run_id, labels.OWNER: DEAD}
    api.create_network(f"wflo-{run_id}", labels=marks)
    api.create_volume(f"wflo-{run_id}", labels=marks)

    code = command("clean", "--run", run_id)

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert not exists(api, container)
    assert not api.networks(names=[f"wflo-{run_id}"])
    assert not api.volumes(filters={"name": f"wflo-{run_id}"})["Volumes"]
    assert lines[0].startswith("removed  container wflo-test-")
    assert lines[1:] == [
        f"removed  network wflo-{run_id} of run {run_id}",
        f"removed  volume wflo-{run_id} of run {run_id}",
    ]


def test_what_a_living_process_made_is_left_and_all_removes_it(
    api: Any, plant: Plant, command: Run, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    container = plant(owner=labels.owner())

    assert command("clean", "--run", run_id) == 0
    assert exists(api, container)
    assert "its maker may still be running" in capsys.readouterr().out

    assert command("clean", "--run", run_id, "--all") == 0
    assert not exists(api, container)


def test_what_a_process_of_another_machine_made_is_left(
    api: Any, plant: Plant, command: Run, run_id: str
) -> None:
    container = plant(owner="elsewhere 1 1 1")

    assert command("clean", "--run", run_id) == 0
    assert exists(api, container)


def test_a_container_without_the_kits_label_is_never_touched(
    api: Any, command: Run, run_id: str, light_image: str
) -> None:
    foreign = api.create_container(light_image, labels={labels.RUN: run_id})["Id"]
    try:
        command("clean", "--run", run_id, "--all", "--images")

        assert exists(api, foreign)
    finally:
        api.remove_container(foreign, force=True, v=True)


def test_the_reapers_go_last(api: Any, plant: Plant, run_id: str) -> None:
    plant("reaper")
    plant("server")

    kinds = [t.labels[labels.KIT] for t in leftovers.things(api, f"{labels.RUN}={run_id}")]

    assert kinds == ["server", "reaper"]


@pytest.fixture
def made_image(api: Any, plant: Plant, run_id: str) -> Iterator[str]:
    """The tag of an image that carries the kit's label."""
    from docker.errors import NotFound

    tag = f"wflo-test-{run_id}:1"
    changes = [f"LABEL {labels.KIT}=image {labels.RUN}={run_id}"]
    api.commit(plant(), repository=tag.partition(":")[0], tag="1", changes="\n".join(changes))
    yield tag
    with contextlib.suppress(NotFound):
        api.remove_image(tag, force=True)


def test_folders_of_dead_runs_go_too(
    command: Run,
    tmp_path: Path,
    empty_project: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty_project.setattr("tempfile.tempdir", str(tmp_path))
    alive, dead = folders.make(), folders.make()
    (dead / "owner").write_text(DEAD)

    assert command("clean") == 0
    assert f"removed  folder {dead}\n" in capsys.readouterr().out
    assert alive.exists()
    assert not dead.exists()


def test_images_stay_unless_they_are_asked_for(
    api: Any, made_image: str, command: Run, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command("clean", "--run", run_id)
    assert api.images(made_image)

    command("clean", "--run", run_id, "--images")
    assert not api.images(made_image)
    assert f"removed  image {made_image} of run {run_id}" in capsys.readouterr().out


def test_a_run_that_left_nothing_says_so(
    command: Run, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("clean", "--run", run_id) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_what_cannot_be_removed_is_named_and_the_exit_code_is_1(
    api: Any, command: Run, run_id: str, light_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from docker.types import Mount

    volume = f"wflo-{run_id}"
    api.create_volume(volume, labels={labels.KIT: "x", labels.RUN: run_id, labels.OWNER: DEAD})
    host = api.create_host_config(mounts=[Mount("/data", volume)])
    user = api.create_container(light_image, host_config=host)["Id"]
    try:
        assert command("clean", "--run", run_id) == 1
        assert f"failed   volume {volume} of run {run_id}: " in capsys.readouterr().out
    finally:
        api.remove_container(user, force=True, v=True)
        api.remove_volume(volume)


@pytest.mark.parametrize(
    ("kind", "owner", "in_use"),
    [
        ("container", DEAD, False),
        ("container", labels.owner(), True),
        ("container", "", True),
        ("network", "elsewhere 1 1 1", True),
        ("image", labels.owner(), False),
    ],
    # Owners hold process ids: as ids of tests they would differ between xdist's workers.
    ids=["dead", "living", "unknown", "of another host", "image of a living one"],
)
def test_only_a_proven_death_makes_a_thing_removable(kind: str, owner: str, in_use: bool) -> None:
    thing = Thing(kind, "x", {labels.OWNER: owner}, lambda: None)

    assert bool(thing.hindrance) is in_use
