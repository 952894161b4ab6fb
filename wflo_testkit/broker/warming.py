"""Which warm image serves a spec, and what is to be made for the next run."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Content, Recipe, Spec
from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.images import ResolvedImage
from wflo_testkit.runtime.printing import TooMuch
from wflo_testkit.runtime.warm import warm_images
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order, Warm, key_of
from wflo_testkit.service import Service

MAX_TEXT = 4_000_000
"""Bytes of a content beyond which it is made anew in each run."""


class Warming:
    """One run's use of warm images. Safe to use from several threads.

    kit: the version of the kit. project: the folder whose last run tells what this one is likely
    to begin from. may_make: whether what is missing is made, by a process that outlives the run.
    """

    def __init__(self, kit: str, notes: Notes, *, project: Path | str = "", may_make: bool) -> None:
        self._kit = kit
        self._project = str(project)
        self.may_make = may_make
        self._notes = notes
        self._lock = threading.Lock()
        self._orders: dict[str, Order] = {}
        self._bases: dict[str, ResolvedImage] = {}
        self._rejected: list[str] = []

    @classmethod
    def of_user(cls, kit: str, *, project: Path | str = "", may_make: bool) -> Self | None:
        """Return the way to the images of this user; None for one without a home folder."""
        try:
            return cls(kit, Notes(), project=project, may_make=may_make)
        except RuntimeError:  # of Path.home, for a number that is nobody's
            return None

    def find(
        self, spec: Spec, service: Service, containers: Containers, base: ResolvedImage
    ) -> Warm | None:
        """Return the warm image for `spec`; None if there is none (yet), which is noted.

        Preferred is one that holds what the last run of the project began from. A call to the
        daemon for each of the two. base: the image of `spec`.
        """
        from docker.errors import APIError

        recipe = service.warm(spec, "") if service.warm is not None else None
        if recipe is None:
            return None
        with self._lock:
            self._bases[spec.fingerprint] = base
        guess = self._notes.guess(self._project, spec.name)
        for content in dict.fromkeys((guess, "")):
            key = key_of(base, recipe, self._kit, content)
            try:
                image = warm_images.find(containers.client, key)
            except APIError:
                return None  # whatever ails the daemon, the start itself will tell
            if image:
                self._notes.use(image)
                return self._warm(key, image, recipe, content)
        if self._notes.failure(key) is None:
            self._order(order_of(spec, service, base, self._kit))
        return None

    def store(
        self, service: Service, spec: Spec, containers: Containers, container: str, content: Content
    ) -> None:
        """Expect the next run to begin from `content`; order an image with it unless there is one.

        container: id of the one that `find` was asked for. Raises StartFailed, docker's errors,
        OSError, UnicodeDecodeError.
        """
        base = self._bases.get(spec.fingerprint)
        recipe = service.warm(spec, "") if service.warm is not None else None
        if base is None or recipe is None:
            return
        self._notes.guess_next(self._project, spec.name, content.fingerprint)
        key = key_of(base, recipe, self._kit, content.fingerprint)
        if warm_images.find(containers.client, key) or self._notes.failure(key) is not None:
            return
        why = ""
        try:
            text = containers.printed(container, content.command, MAX_TEXT).decode()
            if content.secret in text:
                why = "it names the run that made it"
        except TooMuch:
            why = "it is too large"
        if why:
            self._notes.failed(key, spec.name, f"what tests begin from is made in each run: {why}")
        else:
            self._order(order_of(spec, service, base, self._kit, content, text))

    def is_gone(self, warm: Warm, containers: Containers) -> bool:
        """Say whether an image has lost its name, as when somebody has removed it."""
        return warm_images.find(containers.client, warm.key) != warm.id

    def fault(self, warm: Warm, containers: Containers) -> str:
        """Let an image itself tell whether it can serve; see making.fault."""
        from wflo_testkit.runtime.warm import making

        return making.fault(containers.client, warm)

    def reject(self, warm: Warm, containers: Containers, reason: str) -> None:
        """Take an image out of use that is at fault: no run of this machine asks for it in a day.

        reason: in one line.
        """
        with contextlib.suppress(OSError):
            why = f"a server did not start from it: {reason}"
            self._notes.failed(warm.key, warm.spec.name, why)
        warm_images.discard(containers.client, self._notes, warm)
        with self._lock:
            self._rejected.append(
                f"the warm image {warm.tag} of {warm.spec.name} is out of use: {reason}"
            )

    @property
    def notes(self) -> list[str]:
        """Sentences about what was taken out of use, and what will be made after the run."""
        with self._lock:
            rejected, names = list(self._rejected), {each.name for each in self._orders.values()}
        if self.may_make and names:
            listed = ", ".join(sorted(names))
            made = f"warm images of {listed} are made after this run, in the background"
            return [*rejected, made]
        return rejected

    def close(self, find: Callable[[], Endpoint]) -> None:
        """Let what is missing be made; returns at once. find: see DockerSession."""
        with self._lock:
            orders, self._orders = list(self._orders.values()), {}
        if orders and self.may_make:
            from wflo_testkit.runtime.warm import helper

            with contextlib.suppress(OSError):  # such as a home folder that cannot be written to
                self._notes.home.prepare()
                helper.begin(orders, find())

    def _order(self, order: Order) -> None:
        with self._lock:
            self._orders[order.key] = order

    def _warm(self, key: str, image: str, recipe: Recipe, content: str) -> Warm:
        password = self._notes.password(image)
        if password is not None or recipe.reset is None:
            return Warm(key, image, recipe.start, password or "", content, recipe.check)
        return Warm(key, image, recipe.reset, secrets.token_hex(16), content, recipe.check)


def order_of(
    spec: Spec,
    service: Service,
    base: ResolvedImage,
    kit: str,
    content: Content | None = None,
    text: str = "",
) -> Order:
    """Return the order for the warm image of `spec`, with a new password.

    content, text: what is to be inside already. Raises TestkitError for a service that has no
    recipe for it.
    """
    password = secrets.token_hex(16)
    inside = () if content is None else (content, text)
    name = "" if content is None else content.fingerprint
    plain = service.warm(spec, "") if service.warm is not None else None
    recipe = service.warm(spec, password, *inside) if service.warm is not None else None
    if plain is None or recipe is None:
        raise TestkitError(f"{spec.name}: the service {spec.service} has no warm images")
    return Order(
        key=key_of(base, plain, kit, name),
        name=spec.name,
        reference=base.reference,
        base=base.id,
        kit=kit,
        script=recipe.script,
        check=recipe.check,
        files=dict(recipe.files),
        limit=recipe.limit,
        password=password if recipe.reset is not None else "",
        content=name,
    )
