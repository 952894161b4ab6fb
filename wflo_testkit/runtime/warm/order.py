"""What is to be made: plain data, so that a process that outlives the tests can do it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from wflo_testkit.model import Recipe, Spec
from wflo_testkit.runtime.images import ResolvedImage

LAYOUT = 1
"""Raised when images that an older kit of the same version has made are of no use to this one."""
REPOSITORY = "wflo-testkit/warm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One warm image.

    key: see `key_of`; also the image's tag. name: of the server that asked for it, for people.
    content: fingerprint of what tests begin from, if that is inside.
    reference, base: name and content id of the image that it is made from. kit: this version.
    password: what the image is made with; in no file of the image, in clear text. For the rest
    see model.Recipe.
    """

    key: str
    name: str
    reference: str
    base: str
    kit: str
    script: str = field(repr=False)
    check: str
    files: Mapping[str, str] = field(repr=False)
    limit: float
    password: str = field(repr=False)
    content: str = ""

    @property
    def container(self) -> str:
        """The name of the container in which it is made; who has that name makes it."""
        return f"wflo-warm-{self.key}"


@dataclass(frozen=True, slots=True)
class Warm:
    """What to start instead of a spec from its own image: a warm image, and what to run on it.

    id: the image's content id. content: fingerprint of what tests begin from, if that is inside.
    check: see model.Recipe.
    """

    key: str
    id: str
    spec: Spec
    password: str = field(repr=False)
    content: str = ""
    check: str = "true"

    @property
    def kind(self) -> str:
        """What a report calls it."""
        return "warm and filled" if self.content else "warm"

    @property
    def tag(self) -> str:
        """The image's name and tag."""
        return tag_of(self.key)


def key_of(base: ResolvedImage, recipe: Recipe, kit: str, content: str = "") -> str:
    """Return what a warm image is found by: equal when all that decides its content is.

    The image below it and its architecture, what is done there (the settings are part of that),
    and the version of the kit. recipe: made with an empty password, so that it repeats.
    content: fingerprint of what tests begin from, if that is inside.
    """
    facts = [
        LAYOUT,
        kit,
        base.id,
        base.architecture,
        recipe.script,
        recipe.check,
        sorted(recipe.files.items()),
        *([content] if content else []),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def tag_of(key: str) -> str:
    """Return the name of the warm image `key`. It is given last: what has it is whole."""
    return f"{REPOSITORY}:{key}"
