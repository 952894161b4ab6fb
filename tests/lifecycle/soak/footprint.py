"""What a run has in Docker: containers, networks and volumes, by their marks and by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wflo_testkit.runtime import labels


class Footprint:
    """The ids of what carries a label, or a name, and of its volumes, which carry neither.

    api: docker-py's low-level client. Looking again and again finds also what a call to the daemon
    makes that was under way when its caller died.
    """

    def __init__(self, api: Any, label: str, name: str = "") -> None:
        self._api = api
        self._filters = [{"label": label}, *([{"name": f"^/{name}$"}] if name else [])]
        self._label = {"label": label}
        self.ids: set[str] = set()

    def look(self) -> set[str]:
        """Return the ids of what is there now; they are remembered."""
        found: set[str] = set()
        for each in self._filters:
            for container in self._api.containers(all=True, filters=each):
                volumes = {m["Name"] for m in container["Mounts"] if m.get("Name")}
                found |= {container["Id"], *volumes}
        found |= {each["Id"] for each in self._api.networks(filters=self._label)}
        volumes = self._api.volumes(filters=self._label)["Volumes"]
        found |= {each["Name"] for each in volumes or ()}
        self.ids |= found
        return found

    def left(self) -> list[str]:
        """Return a sentence for each that is there, by what marks it or by its remembered id."""
        here = self.look() | (self.ids & set(self._everything()))
        return sorted(f"in Docker: {id_}" for id_ in here)

    def astray(self) -> list[str]:
        """Return a sentence for each that is there by its id, and belongs to nothing any more."""
        lost = (self.ids & set(self._everything())) - self.look()
        return sorted(f"in Docker, of something that is gone: {id_}" for id_ in lost)

    def _everything(self) -> Iterator[str]:
        yield from (each["Id"] for each in self._api.containers(all=True))
        yield from (each["Id"] for each in self._api.networks())
        yield from (each["Name"] for each in self._api.volumes()["Volumes"] or ())


def footprint(api: Any, run: str) -> Footprint:
    """Return that of a run, its reaper included."""
    return Footprint(api, f"{labels.RUN}={run}", name=f"wflo-reaper-{run}")
