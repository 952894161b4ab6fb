"""The images that the kit knows: official names, local stand-ins, how those are built.

All of it is data in `containers/images.toml`; this file only reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wflo_testkit.errors import TestkitError


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image: what is published, and the stand-in that is built where nothing can be pulled.

    official: the published image, "" if there is none. local: the stand-in's tag.
    context: the folder with its Dockerfile. role: "service"; "build" for what only other images
    need; "version" for one of a service that tests run where they name it; "test" for what the
    kit's own tests run, and what apps are built from. needs: names of the entries it is built from.
    args: build arguments.
    rootfs: tag of a tree made by debootstrap, used where `official` cannot be pulled; "" for
    entries that are built from other entries.
    """

    name: str
    official: str
    local: str
    context: Path
    role: str
    needs: tuple[str, ...]
    args: Mapping[str, str]
    rootfs: str


@cache
def entries() -> Mapping[str, ImageEntry]:
    """Return every entry by name, in the order of the file. Read once per process."""
    import tomllib

    folder = containers_folder()
    with (folder / "images.toml").open("rb") as file:
        tables = tomllib.load(file)["images"]
    return MappingProxyType({name: _entry(name, folder, table) for name, table in tables.items()})


def official(name: str) -> str:
    """Return the published image of entry `name`, for instance "redis:8.10.1"."""
    return entries()[name].official


def find(image: str) -> ImageEntry | None:
    """Return the entry whose published image or stand-in is called exactly `image`."""
    return next((e for e in entries().values() if image in (e.official, e.local)), None)


def services() -> tuple[ImageEntry, ...]:
    """Return the entries that tests run, without those that only others are built from."""
    return tuple(entry for entry in entries().values() if entry.role == "service")


def named(names: Collection[str]) -> tuple[ImageEntry, ...]:
    """Return the entries among `names` that tests can run; without names the services."""
    chosen = (entry for entry in entries().values() if entry.name in names)
    return tuple(entry for entry in chosen if entry.role != "build") if names else services()


def containers_folder() -> Path:
    """Return the folder with images.toml: the checkout's, or the copy inside a wheel."""
    package = Path(__file__).parent
    candidates = (package / "_containers", package.parent / "containers")
    for folder in candidates:
        if (folder / "images.toml").is_file():
            return folder
    raise TestkitError(
        "the kit's list of images is missing",
        looked_at=", ".join(str(folder) for folder in candidates),
        fix="install wflo-testkit again",
    )


def _entry(name: str, folder: Path, table: dict[str, Any]) -> ImageEntry:
    return ImageEntry(
        name=name,
        official=table.get("official", ""),
        local=table["local"],
        context=folder / table["context"],
        role=table.get("role", "service"),
        needs=tuple(table.get("needs", ())),
        args=MappingProxyType(dict(table.get("args", {}))),
        rootfs=table.get("rootfs", ""),
    )
