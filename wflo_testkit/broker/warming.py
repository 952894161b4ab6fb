"""Which warm image serves a spec, and what is to be made for the next run."""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import Self

from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Recipe, Spec
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.images import ResolvedImage
from wflo_testkit.runtime.warm import stock
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order, Warm, key_of
from wflo_testkit.service import Service


class Warming:
    """One run's use of warm images. Safe to use from several threads.

    kit: the version of the kit. may_make: whether what is missing is made, by a process that
    outlives the run.
    """

    def __init__(self, kit: str, notes: Notes, *, may_make: bool) -> None:
        self._kit = kit
        self._may_make = may_make
        self._notes = notes
        self._lock = threading.Lock()
        self._orders: dict[str, Order] = {}

    @classmethod
    def of_user(cls, kit: str, *, may_make: bool) -> Self | None:
        """Return the way to the images of this user; None for one without a home folder."""
        try:
            return cls(kit, Notes(), may_make=may_make)
        except RuntimeError:  # of Path.home, for a number that is nobody's
            return None

    def find(
        self, spec: Spec, service: Service, containers: Containers, base: ResolvedImage
    ) -> Warm | None:
        """Return the warm image for `spec`; None if there is none (yet), which is noted.

        One call to the daemon. base: the image of `spec`.
        """
        from docker.errors import APIError

        recipe = service.warm(spec, "") if service.warm is not None else None
        if recipe is None:
            return None
        key = key_of(base, recipe, self._kit)
        try:
            image = stock.find(containers.client, key)
        except APIError:
            return None  # whatever ails the daemon, the start itself will tell
        if image:
            self._notes.use(image)
            return self._warm(key, image, recipe)
        if self._notes.failure(key) is None:
            with self._lock:
                self._orders[key] = order_of(spec, service, base, self._kit)
        return None

    def reject(self, warm: Warm, containers: Containers, reason: TestkitError) -> None:
        """Take an image out of use from which a server did not start; it may just have gone."""
        if stock.find(containers.client, warm.key) != warm.id:
            return
        with contextlib.suppress(OSError):
            why = f"a server did not start from it: {reason}"
            self._notes.failed(warm.key, warm.spec.name, why)
        stock.discard(containers.client, self._notes, warm)

    @property
    def note(self) -> str:
        """A sentence about what will be made after the run, or ""."""
        names = ", ".join(sorted({order.name for order in self._orders.values()}))
        if not (self._may_make and names):
            return ""
        return f"warm images of {names} are made after this run, in the background"

    def close(self) -> None:
        """Let what is missing be made; returns at once."""
        with self._lock:
            orders, self._orders = list(self._orders.values()), {}
        if orders and self._may_make:
            from wflo_testkit.runtime.warm import helper

            with contextlib.suppress(OSError):  # such as a home folder that cannot be written to
                self._notes.home.prepare()
                helper.begin(orders)

    def _warm(self, key: str, image: str, recipe: Recipe) -> Warm:
        password = self._notes.password(image)
        if password is not None or recipe.reset is None:
            return Warm(key, image, recipe.start, password or "")
        return Warm(key, image, recipe.reset, secrets.token_hex(16))


def order_of(spec: Spec, service: Service, base: ResolvedImage, kit: str) -> Order:
    """Return the order for the warm image of `spec`, with a new password.

    Raises TestkitError for a service that has no recipe for it.
    """
    password = secrets.token_hex(16)
    plain = service.warm(spec, "") if service.warm is not None else None
    recipe = service.warm(spec, password) if service.warm is not None else None
    if plain is None or recipe is None:
        raise TestkitError(f"{spec.name}: the service {spec.service} has no warm images")
    key = key_of(base, plain, kit)
    return Order.of(spec.name, base, recipe, key=key, kit=kit, password=password)
