"""Warm images: made before the clock starts, and what a floor runs of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench
from benchmarks.processes import Finished
from wflo_testkit import __version__, services
from wflo_testkit.broker.warming import Warming
from wflo_testkit.model import Spec
from wflo_testkit.runtime import images
from wflo_testkit.wait import Deadline, pause

if TYPE_CHECKING:
    import docker

LIMIT = 240.0
"""Seconds that making all warm images of a suite may take; then it is measured without."""
PENDING = "are made after this run"
"""What the kit says at the end of a run that lacked warm images."""
FILLED = "warm and filled"
"""What it says of a server whose image had the schema of the last run inside."""


def settle(bench: Bench, run: Callable[[], Finished], *, filled: bool = False) -> None:
    """Run a suite until the kit has all the warm images that it wants for it.

    filled: whether it has a schema that the image is going to have inside.
    """
    deadline = Deadline(LIMIT)
    while PENDING in (said := run().output) or (filled and FILLED not in said):
        if deadline.left <= 0:
            bench.say(f"warm images are not there after {LIMIT:g} s: measured without them")
            return
        bench.say("waiting for warm images, which are made in the background")
        pause(5.0)


def warming() -> Warming | None:
    """Return the way to this user's warm images, on which none are made; None if there is none."""
    return Warming.of_user(__version__, may_make=False)


def runnable(client: docker.DockerClient, spec: Spec) -> tuple[str, Spec, str]:
    """Return what the kit would start for `spec`: image, what to run on it, password."""
    base = images.resolve(client, spec.image)
    found = warming()
    finder: Any = SimpleNamespace(client=client)  # all that it asks of Containers
    warm = found and found.find(spec, services.table()[spec.service], finder, base)
    if not warm:
        return base.reference, spec, secrets.token_hex(16)
    return warm.id, warm.spec, warm.password or secrets.token_hex(16)
