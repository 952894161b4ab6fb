"""The containers in which warm images are made and checked: whose they are, and when nobody's."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wflo_testkit.runtime import labels
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import docker

MAKER = "maker"
"""The kind of such a container, as labels.KIT says it."""
ENDED = ("exited", "dead")
"""The states of a container whose process has ended (Docker Engine API, ContainerInspect)."""
CHECK_LIMIT = 60.0
"""Seconds that the check of an image may take."""
SLACK = 10.0
"""Seconds in which one has ended whose `timeout` has passed."""
GRACE = 30.0
"""Seconds from its end that a process may take to commit it which cannot be looked at from here."""
ORPHAN_LIMIT = 2 * CHECK_LIMIT
"""The same for a process that lives."""
LONGEST = 900.0
"""Seconds that a container may take which does not tell."""


# `timeout` must not be the container's first process: busybox's signals the process that it was
# itself, which as the first is deaf to signals from its own container (pid_namespaces(7)); the one
# of coreutils 9.10 ends at once with 125. If nothing came after it, `sh` would give it its place.
_LIMITED = 'timeout "$@"; exit $?'


def limited(command: Sequence[str], seconds: float) -> list[str]:
    """Return a command that runs `command` for so many seconds at most."""
    return ["sh", "-c", _LIMITED, "sh", str(math.ceil(seconds)), *command]


def is_nobodys(found: Mapping[str, Any], limit: float, now: float) -> bool:
    """Say whether a maker's container has been left behind.

    That its process is dead cannot be proven everywhere: a CI job's container that was closed took
    its pid namespace along. So one that has ended is given some time to be committed, and one that
    has not, some more than it may take.
    found: what Docker says of it; limit: seconds that it may take; now: see `time_of_daemon`.
    """
    owner = (found["Config"]["Labels"] or {}).get(labels.OWNER, "")
    if labels.owner_is_dead(owner):
        return True
    state = found["State"]
    if state["Status"] not in ENDED:
        return now - _seconds(found["Created"]) > limit + SLACK
    ended = now - _seconds(state["FinishedAt"])
    return ended > ORPHAN_LIMIT or labels.is_over(owner, expired=ended > GRACE)


def limit_of(found: Mapping[str, Any]) -> float:
    """Return the seconds that a maker's container may take, which it tells; see `limited`."""
    match found["Config"]["Cmd"]:
        case ["sh", "-c", str(script), "sh", str(seconds), *_] if script == _LIMITED:
            return float(seconds)
    return LONGEST


def is_maker(found: Mapping[str, Any], key: str) -> bool:
    """Say whether a container is one in which the image `key` is made."""
    own = found["Config"]["Labels"] or {}
    return bool(own.get(labels.KIT) == MAKER and own.get(labels.WARM) == key)


def busy(client: docker.DockerClient) -> set[str]:
    """Return the keys at which somebody is at work; what is nobody's is removed."""
    wanted = {"label": [labels.WARM, f"{labels.KIT}={MAKER}"]}
    found = client.api.containers(all=True, filters=wanted)
    now = time_of_daemon(client) if found else 0.0
    return {each["Labels"][labels.WARM] for each in found if _is_at_work(client, each["Id"], now)}


def _is_at_work(client: docker.DockerClient, container: str, now: float) -> bool:
    from docker.errors import NotFound

    try:
        found = client.api.inspect_container(container)
    except NotFound:  # it went meanwhile
        return False
    if is_nobodys(found, limit_of(found), now):
        remove(client, container)
        return False
    return True


def remove(client: docker.DockerClient, container: str) -> None:
    """Remove one that is nobody's, which others may be doing, too."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.api.remove_container(container, force=True, v=True)


def time_of_daemon(client: docker.DockerClient) -> float:
    """Return the daemon's time, seconds since the epoch: its machine's clock may be another."""
    told = client.api.info().get("SystemTime")
    return _seconds(told) if told else clock.wall()


def _seconds(text: str) -> float:
    """Return a time as Docker writes it (RFC 3339) in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
