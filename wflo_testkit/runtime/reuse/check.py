"""Whether a container is still the one that its record describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wflo_testkit.model import Json
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.records import Record


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a server cannot be attached to.

    reason: in words, "" if nothing speaks against it. is_ours: whether the container was made for
    this record's key, so that it may be removed. is_up: whether somebody may still be using it.
    """

    reason: str
    is_ours: bool = True
    is_up: bool = True


def compare(record: Record, found: Mapping[str, Json] | None, *, image_id: str) -> Finding:
    """Compare a record with what the daemon says of its container (None: not there).

    image_id: what the record's image is now; "" if it is not there any more.
    """
    if found is None:
        return Finding("its container is gone", is_up=False)
    if not is_made_for(record.key, found):
        return Finding("another container is in its place", is_ours=False)
    state = found["State"]
    if state["Paused"]:
        return Finding("its container is paused")
    if not state["Running"] or state["Restarting"]:
        return Finding(f"its container has {state['Status']}", is_up=False)
    if state["StartedAt"] != record.started_at:
        return Finding("its container was restarted: what it held is gone")
    if published(found) != set(record.server["ports"].values()):
        return Finding("its ports are others than before")
    if image_id and image_id != record.image_id:
        return Finding("its image has been replaced by a newer one")
    return Finding("")


def is_made_for(key: str, found: Mapping[str, Json]) -> bool:
    """Say whether a container carries the labels of the kept server `key`."""
    own = found["Config"]["Labels"] or {}
    return bool(own.get(labels.KIT) == "server" and own.get(labels.REUSE) == key)


def owner_of(found: Mapping[str, Json]) -> str:
    """Return the process that made a container, as in labels.owner."""
    return str((found["Config"]["Labels"] or {}).get(labels.OWNER, ""))


def image_of(found: Mapping[str, Json]) -> str:
    """Return the content id of the image that a container's server is of.

    For one that was started from a warm image that is what the warm image was made from.
    """
    return str((found["Config"]["Labels"] or {}).get(labels.BASE) or found["Image"])


def published(found: Mapping[str, Any]) -> set[int]:
    """Return the ports of the host that lead into a container."""
    bindings = (found["NetworkSettings"]["Ports"] or {}).values()
    return {int(each["HostPort"]) for several in bindings for each in several or ()}
