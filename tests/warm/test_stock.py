"""The stock of warm images is bounded, and can be carried to another machine."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import docker
import pytest

from tests.warm.parts import images_of, of
from wflo_testkit.cli.main import main
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm import warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order, tag_of
from wflo_testkit.runtime.warm.warm_images import WarmImage
from wflo_testkit.wait import clock

DAY = 24 * 3600.0


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notes:
    """Those that the command line finds, too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Notes()


def unused_for(days: float, size: int = 1000, *, is_named: bool = True) -> WarmImage:
    used = clock.wall() - days * DAY
    return WarmImage(
        f"sha256:{days}", f"key {days}", is_named, "", "", "", "", "", size, used, password="none"
    )


@pytest.mark.parametrize(
    ("max_size", "max_age", "over"),
    [
        (9999, 14 * DAY, [20]),
        (9999, 30 * DAY, []),
        (9999, 3 * DAY, [5, 20]),
        (2999, 30 * DAY, [20]),
        (1000, 30 * DAY, [5, 20]),
        (0, 30 * DAY, [0, 5, 20]),
    ],
)
def test_what_is_unused_or_too_much_is_over_the_least_used_first(
    max_size: float, max_age: float, over: list[float]
) -> None:
    images = [unused_for(days) for days in (0, 5, 20)]

    found = warm_images.surplus(images, max_size, max_age)

    assert [image.key for image in found] == [f"key {days}" for days in over]


def test_a_small_image_stays_where_a_large_one_is_over() -> None:
    images = [unused_for(1), unused_for(2, size=5000), unused_for(3)]

    assert warm_images.surplus(images, 2500, DAY * 9) == [images[1]]


def test_an_image_without_a_name_is_over() -> None:
    nameless = unused_for(0, is_named=False)

    assert warm_images.surplus([nameless], 9999, 9999) == [nameless]


def test_notes_of_images_that_somebody_else_has_removed_do_not_pile_up(
    notes: Notes,
) -> None:
    for image, days in (("sha256:old", 40), ("sha256:young", 1)):
        notes.made(image, "key", "password")
        then = clock.wall() - days * DAY
        os.utime(notes.home.folder / f"{image.partition(':')[2]}.json", (then, then))
    notes.forget_unused(30 * DAY)

    assert [path.stem for path in notes.home.files("*.json")] == ["young"]


def test_the_images_of_other_users_are_not_bounded_by_what_is_known_here(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work.get(client, order, Notes(UserFolder(tmp_path / "another user")))
    monkeypatch.setattr(
        warm_images.prune, "__kwdefaults__", {"max_size": 0, "max_age": 0, "among": None}
    )
    work.work_off(client, [], notes)

    assert warm_images.find(client, order.key)


def test_what_is_over_goes_with_its_note(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    image, _ = work.get(client, order, notes)
    then = clock.wall() - 20 * DAY
    os.utime(notes.home.folder / f"{image.removeprefix('sha256:')}.json", (then, then))
    found = [each for each in warm_images.every(client, notes) if each.key == order.key]
    gone = warm_images.prune(client, notes, among=of(order))

    assert [round(each.age / DAY) for each in found] == [20]
    assert gone[0].key == order.key
    assert warm_images.find(client, order.key) == ""
    assert notes.home.files("*.json") == []


def test_an_image_in_use_stays(client: docker.DockerClient, order: Order, notes: Notes) -> None:
    image, _ = work.get(client, order, notes)
    container = client.api.create_container(image)
    try:
        gone = warm_images.prune(client, notes, max_age=0, among=of(order))
    finally:
        client.api.remove_container(container["Id"], v=True)

    assert gone == []
    assert warm_images.find(client, order.key) == image


def test_an_images_size_is_what_it_adds(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    script = "head -c 1000000 /dev/urandom >/word"
    work.get(client, dataclasses.replace(order, script=script), notes)
    [found] = [image for image in warm_images.every(client, notes) if image.key == order.key]

    assert 1_000_000 <= found.size < 1_100_000
    assert (found.reference, found.kit) == (order.reference, order.kit)


@pytest.mark.slow
def test_saved_and_loaded_images_are_the_same(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image, _ = work.get(client, order, notes)
    everything = warm_images.every
    monkeypatch.setattr(
        warm_images, "every", lambda *given: [i for i in everything(*given) if i.key == order.key]
    )

    assert main(["images", "save", str(tmp_path / "warm.tar")]) == 0
    client.api.remove_image(tag_of(order.key))
    assert images_of(client, order.key) == []
    assert main(["images", "load", str(tmp_path / "warm.tar")]) == 0

    assert warm_images.find(client, order.key) == image
    said = capsys.readouterr().out
    assert said.startswith("saved 1 images, ")
    assert order.key in said
    assert [path.name for path in tmp_path.iterdir() if "tar" in path.name] == ["warm.tar"]


def test_a_list_for_scripts(
    client: docker.DockerClient, order: Order, notes: Notes, capsys: pytest.CaptureFixture[str]
) -> None:
    work.get(client, order, notes)
    notes.failed("f" * 24, "orders", "no room")

    assert main(["images", "list", "--warm", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    [row] = [row for row in told["images"] if row["key"] == order.key]
    assert (row["server"], row["password"], row["is_named"]) == ("words", "none", True)
    assert [failure["reason"] for failure in told["failures"]] == ["no room"]


@pytest.mark.parametrize("words", [("save", "/nowhere/x.tar"), ("load", "/nowhere/x.tar")])
def test_a_file_that_cannot_be_used_is_named(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, str],
) -> None:
    work.get(client, order, notes)

    assert main(["images", *words]) == 1
    assert "/nowhere/x.tar cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-size", "much"), "'much' is no size such as 2GB"),
        (("--max-age", "long"), "'long' is no time such as 12h"),
    ],
)
def test_limits_that_cannot_be_read_are_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, str], message: str
) -> None:
    with pytest.raises(SystemExit):
        main(["images", "prune", *words])

    assert message in capsys.readouterr().err
