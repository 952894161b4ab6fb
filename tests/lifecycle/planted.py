"""Leftovers of dead runs and belongings of living ones, for a sweep to tell apart."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wflo_testkit import catalog
from wflo_testkit.runtime import daemon, images, labels, leftovers

NOBODY = 4194305
"""A process id that no Linux gives out (proc(5), pid_max)."""


@dataclass
class Planted:
    """Containers, networks and volumes with the kit's labels; name -> (kind, id)."""

    api: Any
    host: str = field(default_factory=lambda: f"planted-{secrets.token_hex(4)}")
    things: dict[str, tuple[str, str]] = field(default_factory=dict)

    def owner(self, *, dead: bool) -> str:
        """Name a process on the made-up host: this one, or one that cannot be."""
        pid, started, boot = labels.owner().split(" ")[1:]
        return f"{self.host} {NOBODY if dead else pid} {started} {boot}"

    def marks(self, kind: str, *, dead: bool, run: str = "", host: str = "") -> dict[str, str]:
        owner = self.owner(dead=dead)
        marks = {labels.KIT: kind, labels.OWNER: f"{host} {NOBODY} 1 1" if host else owner}
        return marks | ({labels.RUN: run} if run else {})

    def container(self, name: str, marks: dict[str, str], *, running: bool) -> None:
        client = daemon.connect().client
        image = images.resolve(client, catalog.official("redis")).reference
        client.close()
        made = self.api.create_container(
            image, ["sleep", "300"], labels=marks, name=self._name(name)
        )
        self.things[name] = ("container", made["Id"])
        if running:
            self.api.start(made["Id"])

    def network(self, name: str, marks: dict[str, str]) -> None:
        made = self.api.create_network(self._name(name), labels=marks)
        self.things[name] = ("network", made["Id"])

    def volume(self, name: str, marks: dict[str, str]) -> None:
        made = self.api.create_volume(self._name(name), labels=marks)
        self.things[name] = ("volume", made["Name"])

    def still_there(self) -> set[str]:
        """Return the names of what has not been removed."""
        here = {each["Id"] for each in self.api.containers(all=True)}
        here |= {each["Id"] for each in self.api.networks()}
        here |= {each["Name"] for each in self.api.volumes()["Volumes"] or ()}
        return {name for name, (_, id_) in self.things.items() if id_ in here}

    def remove(self) -> None:
        """Remove what is left, dead or alive."""
        for thing in leftovers.things(self.api, labels.KIT):
            if self.host in thing.labels.get(labels.OWNER, ""):
                thing.remove()

    def _name(self, name: str) -> str:
        return f"{self.host}-{name}".replace("'", "").replace(" ", "-")


def folder(place: Path, name: str, owner: str) -> Path:
    """Make a run's folder in `place`, as wflo_testkit.runtime.folders does; "" for no owner."""
    made = place / f"wflo-{name}"
    made.mkdir(parents=True)
    (made / "broker.sock").touch()
    if owner:
        (made / "owner").write_text(owner)
    return made
