"""How a warm image comes about: whole or not at all, and once, however many make it."""

from __future__ import annotations

import dataclasses
import json

import docker
import pytest

from tests.cases import quick
from tests.warm.parts import Processes, give, images_of, made, makers_of, of, said
from wflo_testkit.runtime import labels, leftovers
from wflo_testkit.runtime.warm import makers, making, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import wait_until

WAITS = "until [ -e /go ]; do sleep 0.02; done; echo made >/word"


def test_an_image_is_found_by_its_key_once_it_is_made(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    before = warm_images.find(client, order.key)
    image, is_new = work.get(client, order, notes)

    assert before == ""
    assert is_new
    assert warm_images.find(client, order.key) == image
    assert makers_of(client, order.key) == []


def test_an_image_that_is_there_is_not_made_again(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    image, _ = work.get(client, order, notes)

    assert work.get(client, order, notes) == (image, False)


def test_the_image_runs_as_the_one_below_it_and_says_nothing_of_its_maker(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    image, _ = work.get(client, order, notes)

    below, above = (client.api.inspect_image(each)["Config"] for each in (order.base, image))
    for part in ("Entrypoint", "Cmd", "Env", "User", "Volumes", "ExposedPorts", "WorkingDir"):
        assert below.get(part) == above.get(part), part
    own = {name: text for name, text in above["Labels"].items() if name.startswith(labels.KIT)}
    inherited = {name for name in own if name in (below["Labels"] or {})}
    assert {name: own[name] for name in own.keys() - inherited} == making.marks(order)
    assert labels.RUN not in own, "the reaper would take the image along"
    assert not [name for name in above["Labels"] if name.startswith("org.testcontainers")]
    top = client.api.history(image)[0]
    assert top["CreatedBy"] == f"sh -c {makers._LIMITED} sh 60 sh /tmp/wflo-make.sh"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"script": "echo half >/word; exit 3"}, "exited with code 3"),
        ({"check": "echo it is not whole; exit 1"}, "it is not whole"),
        ({"script": WAITS, "limit": 1.0}, "exited with code 124"),
    ],
    ids=["script", "check", "time"],
)
def test_what_fails_leaves_no_image_and_says_why(
    client: docker.DockerClient, order: Order, notes: Notes, change: dict[str, object], reason: str
) -> None:
    failing = dataclasses.replace(order, **change)  # type: ignore[arg-type]

    with pytest.raises(making.MakingFailed) as caught:
        work.get(client, failing, notes)

    assert reason in caught.value.text
    assert images_of(client, order.key) == []
    assert makers_of(client, order.key) == []


def test_after_a_failure_the_others_are_made_and_the_failure_is_noted(
    client: docker.DockerClient, order: Order, notes: Notes
) -> None:
    failing = dataclasses.replace(order, key="f" * 24, script="exit 3")
    work.work_off(client, [failing, order], notes)

    assert warm_images.find(client, order.key)
    failure = notes.failure(failing.key)
    assert failure is not None
    assert "exited with code 3" in failure.reason


@pytest.mark.parametrize("moment", quick(("working", "committed", "checked"), ("checked",)))
def test_a_killed_maker_leaves_nothing_that_is_used_and_the_next_one_finishes(
    client: docker.DockerClient, order: Order, notes: Notes, processes: Processes, moment: str
) -> None:
    killed = processes.begin(order, notes, moment)
    assert said(killed) == "halted"
    killed.kill()
    killed.wait()
    abandoned = {each["Id"] for each in images_of(client, order.key)}
    assert len(abandoned) == (moment != "working")

    assert warm_images.find(client, order.key) == ""
    image, is_new = work.get(client, order, notes)
    assert is_new
    assert warm_images.find(client, order.key) == image
    assert makers_of(client, order.key) == []

    # What it abandoned goes with the next pruning, be it this or that of another run's maker.
    warm_images.prune(client, notes, among=of(order))
    assert {each["Id"] for each in images_of(client, order.key)} == {image}
    assert image not in abandoned


def test_the_container_of_a_killed_maker_is_swept_by_the_next_run(
    client: docker.DockerClient, order: Order, notes: Notes, processes: Processes
) -> None:
    killed = processes.begin(order, notes, "working")
    assert said(killed) == "halted"
    [maker] = makers_of(client, order.key)
    own = client.api.inspect_container(maker)["Config"]["Labels"]
    assert not [name for name in own if name.startswith("org.testcontainers")]
    alive = [str(each) for each in leftovers.of_dead_runs(client.api)]
    killed.kill()
    killed.wait()
    dead = [thing for thing in leftovers.of_dead_runs(client.api) if order.container in str(thing)]

    assert f"container {order.container}" not in alive
    assert [str(thing) for thing in dead] == [f"container {order.container}"]
    leftovers.remove_all(dead)
    assert makers_of(client, order.key) == []


def test_who_waits_in_vain_for_another_maker_is_told_so_without_docker(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_args: object) -> str:
        raise making.Taken

    words = dict.fromkeys(("key", "name", "reference", "base", "kit", "script", "check"), "words")
    never = Order(files={}, limit=0.1, password="", **words)  # type: ignore[arg-type]
    monkeypatch.setattr(makers, "SLACK", 0.0)
    monkeypatch.setattr(makers, "ORPHAN_LIMIT", 0.0)
    monkeypatch.setattr(warm_images, "find", lambda *_args: "")
    monkeypatch.setattr(making, "make", taken)
    monkeypatch.setattr(work, "_is_settled", lambda *_args: False)

    with pytest.raises(making.MakingFailed, match=r"could not be made in 0\.2 s") as caught:
        work.get(None, never, notes)  # type: ignore[arg-type]

    assert caught.value.cause == "another process is still making it"
    assert "docker rm -f wflo-warm-words" in str(caught.value.fix)


def test_two_makers_agree_on_one(
    client: docker.DockerClient, order: Order, notes: Notes, processes: Processes
) -> None:
    slow = dataclasses.replace(order, script=WAITS)
    first = processes.begin(slow, notes)
    wait_until(lambda: makers_of(client, order.key), timeout=60)
    second = processes.begin(slow, notes)
    assert said(second) == "waiting"
    give(client, slow, "/go")
    outcomes = [made(process) for process in (first, second)]

    assert len({image for image, _ in outcomes}) == 1
    assert sorted(is_new for _, is_new in outcomes) == [False, True]
    assert len(images_of(client, order.key)) == 1


@pytest.mark.slow
def test_the_second_maker_takes_over_when_the_first_is_killed(
    client: docker.DockerClient, order: Order, notes: Notes, processes: Processes
) -> None:
    slow = dataclasses.replace(order, script=WAITS)
    first = processes.begin(slow, notes, "working")
    assert said(first) == "halted"
    second = processes.begin(slow, notes)
    assert said(second) == "waiting"
    [abandoned] = makers_of(client, order.key)
    first.kill()
    first.wait()
    give(client, slow, "/go", after=abandoned)

    assert made(second) == (warm_images.find(client, order.key), True)


def test_what_a_maker_is_told_is_in_no_argument_and_no_variable(order: Order) -> None:
    secret = dataclasses.replace(order, password="plain text")

    assert "plain text" not in repr(secret)
    assert "plain text" in json.dumps(dataclasses.asdict(secret)), "it goes over the pipe"
