"""The key of a warm image changes with all that decides its content, and with nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from wflo_testkit import services, settings
from wflo_testkit.model import Recipe, Spec
from wflo_testkit.runtime.images import ResolvedImage
from wflo_testkit.runtime.warm.order import key_of

BASE = ResolvedImage("postgres:17", "official", "sha256:1", "here", "amd64")
WARMABLE = ("postgres", "kafka")


def spec_of(service: str, name: str = "", **changed: object) -> Spec:
    row = services.table()[service]
    own = (*settings.common(service), *row.options)
    defaults = {option.key.removeprefix(f"{service}_"): option.default for option in own}
    return row.spec(name or service, defaults | changed)


def recipe_of(spec: Spec, password: str = "") -> Recipe:
    warm = services.table()[spec.service].warm
    assert warm is not None
    recipe = warm(spec, password)
    assert recipe is not None
    return recipe


def key(spec: Spec, base: ResolvedImage = BASE, kit: str = "1.0") -> str:
    return key_of(base, recipe_of(spec), kit)


@pytest.mark.parametrize("service", WARMABLE)
def test_equal_specs_have_one_key_whatever_the_server_is_called(service: str) -> None:
    specs = [spec_of(service), spec_of(service), spec_of(service, "orders", startup_timeout=5)]

    assert len({key(spec) for spec in specs}) == 1


@pytest.mark.parametrize("service", WARMABLE)
@pytest.mark.parametrize(
    "change", [{"id": "sha256:2"}, {"architecture": "arm64"}], ids=["image", "architecture"]
)
def test_another_image_has_another_key(service: str, change: dict[str, str]) -> None:
    assert key(spec_of(service), dataclasses.replace(BASE, **change)) != key(spec_of(service))


@pytest.mark.parametrize("service", WARMABLE)
def test_another_version_of_the_kit_has_another_key(service: str) -> None:
    assert key(spec_of(service), kit="1.1") != key(spec_of(service))


@pytest.mark.parametrize(
    ("service", "change"),
    [
        ("postgres", {"max_connections": 50}),
        ("postgres", {"arguments": {"wal_level": "logical"}}),
        ("postgres", {"user": "admin"}),
        ("kafka", {"heap": "512m"}),
        ("kafka", {"properties": {"num.partitions": 3}}),
        ("kafka", {"auto_create_topics": True}),
    ],
)
def test_each_setting_of_a_server_changes_the_key(service: str, change: dict[str, object]) -> None:
    assert key(spec_of(service, **change)) != key(spec_of(service))


@pytest.mark.parametrize("part", ["script", "check", "files"])
def test_each_part_of_a_recipe_changes_the_key(part: str) -> None:
    recipe = recipe_of(spec_of("postgres"))
    other = {"/another": "file"} if part == "files" else "exit 0"

    changed = dataclasses.replace(recipe, **{part: other})  # type: ignore[arg-type]

    assert key_of(BASE, changed, "1.0") != key_of(BASE, recipe, "1.0")


def test_a_password_is_in_no_part_of_a_recipe() -> None:
    password = "c0ffee" * 6

    assert password not in repr(recipe_of(spec_of("postgres"), password))
    assert recipe_of(spec_of("postgres"), password) != recipe_of(spec_of("postgres"), "another")
