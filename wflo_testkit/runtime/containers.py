"""Starts and removes the containers of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Json, Spec
from wflo_testkit.runtime import configuration, images, labels, ports
from wflo_testkit.runtime.inputs import archive
from wflo_testkit.runtime.inspection import Inspection
from wflo_testkit.runtime.placeholders import with_address, with_password
from wflo_testkit.runtime.running import Running
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    from docker.errors import APIError
    from docker.models.containers import Container

    from wflo_testkit.runtime.docker_session import DockerSession
    from wflo_testkit.runtime.reuse.place import KeptPlace
    from wflo_testkit.runtime.warm.order import Warm


PUBLISHED = 10.0
"""Seconds in which Docker has published the ports of a container that it has started."""
TRIES = 20
"""Ports that may be taken by somebody else before a start is given up."""
HOST_NAME = 63
"""Characters of a host name, at most (hostname(7))."""


class NameTaken(Exception):
    """A container of that name is there already: another process was first."""


class Containers(Inspection):
    """The containers of one run, or those that go to `place`. Safe to use from several threads.

    session: the connection to the daemon.
    """

    def __init__(self, session: DockerSession, place: KeptPlace | None = None) -> None:
        super().__init__(session)
        self._place = place or session

    def image(self, spec: Spec) -> images.ResolvedImage:
        """Find what to run for `spec`. Raises DockerUnavailable or ImageUnavailable."""
        pull = str(spec.options.get("pull", "missing"))
        return images.resolve(self.client, spec.image, policy=self._session.policy, pull=pull)

    def start(
        self,
        spec: Spec,
        password: str,
        image: images.ResolvedImage,
        warm: Warm | None = None,
        *,
        number: int = 1,
    ) -> Running:
        """Create and start a container for `spec`; readiness is the caller's business.

        image: what `self.image` said. warm: what to run instead, under the same names.
        number: of the replica.
        Nothing is started before the reaper has acknowledged; creating goes on beside it.
        Raises DockerUnavailable, ImageUnavailable, NameTaken, or StartFailed.
        """
        from docker.errors import APIError

        client = self._session.client
        wanted = warm.spec if warm is not None else spec
        filled = with_password(wanted, password, self._place.host_name(spec))
        taken: set[int] = set()
        try:
            while True:
                published = self._chosen(filled, taken)
                reference = warm.tag if warm else image.reference
                container = self._create(spec, filled, reference, published, number)
                self._place.wait_for_reaper()
                try:
                    client.start(container)
                except APIError as error:
                    if not published or not _is_taken(error) or len(taken) > TRIES:
                        raise
                    taken |= set(published.values())  # somebody was quicker
                    self.remove(str(container.id))
                    continue
                return self._running(filled, container, image, warm, published, number)
        except APIError as error:
            raise StartFailed(
                f"{spec.name} ({image.reference}) could not be started",
                cause=error.explanation or error,
                looked_at=str(self._session.endpoint),
                fix="run `wflo-testkit doctor`",
            ) from None

    def stop(self, container_id: str, grace: int) -> None:
        """Ask its process to end, and kill it after `grace` seconds; returns when it has ended."""
        self.client.api.stop(container_id, timeout=grace)

    def for_an_object(self, spec: Spec) -> dict[str, Json]:
        """Return what `objects.start` is told of the container for `spec`."""
        place, marks = self._place, {labels.SERVER: spec.name, labels.FINGERPRINT: spec.fingerprint}
        network = place.join()
        place.wait_for_reaper()
        return {
            "endpoint": asdict(self._session.endpoint),
            "policy": self._session.policy,
            "labels": place.labels("server", **marks),
            "name": self.name(spec),
            "network": network,
            "networks": self._others(spec),
            "aliases": [place.host_name(spec)],
        }

    def built(self, spec: Spec) -> Spec:
        """Return `spec` with the image of what it builds. Raises ImageUnavailable, OSError."""
        if not spec.build:
            return spec
        from wflo_testkit.runtime import project_images

        return project_images.built(self.client, spec, policy=self._session.policy)

    def remove(self, container_id: str) -> None:
        """Remove the container with its volumes; one that is gone already is fine."""
        from docker.errors import APIError, NotFound

        try:
            self.client.api.remove_container(container_id, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # 409: its removal is under way
                raise

    def join(self) -> str:
        """Return the name of the network on which all of them are from now on."""
        return self._place.join()

    @property
    def are_ending(self) -> bool:
        """Whether they are being removed because the run ends."""
        return self._session.ending

    def name(self, spec: Spec, number: int = 1) -> str:
        """Return the name of the container for `spec`; what takes its id takes that, too."""
        name = self._place.container_name(spec)
        return name if number == 1 else f"{name}-{number}"

    def _chosen(self, spec: Spec, taken: set[int]) -> dict[str, int]:
        """Return the published ports of a server that keeps them; else Docker chooses."""
        address = ports.publish_address(self._session.host)
        return configuration.choose_ports(spec, address, taken=taken) if spec.keeps_ports else {}

    def _create(
        self, spec: Spec, filled: Spec, reference: str, published: Mapping[str, int], number: int
    ) -> Container:
        from docker.errors import APIError

        place, marks = self._place, {labels.SERVER: spec.name, labels.FINGERPRINT: spec.fingerprint}
        name, alias = self.name(spec, number), place.host_name(spec)
        aliases = [alias, f"{alias}-{number}"] if spec.keeps_ports else [alias]
        address = ports.publish_address(self._session.host)
        volumes = {place.volume(spec, what): inside for what, inside in spec.volumes.items()}
        if spec.networked:
            place.join()
        try:
            made = place.create(
                reference,
                aliases=aliases,
                # It may look itself up, on whichever network it is.
                hostname=aliases[-1][:HOST_NAME],
                command=list(filled.command) or None,
                environment=dict(filled.environment),
                # Each on a random port, of loopback if the daemon is local.
                ports={
                    f"{port}/tcp": (address, published[name]) if published else (address,)
                    for name, port in spec.ports.items()
                },
                name=name,
                tmpfs=dict(spec.tmpfs),
                sockets=spec.sockets,
                **configuration.arguments(filled, place.labels("server", **marks), volumes),
            )
            for network in self._others(spec):
                self.client.api.connect_container_to_network(made.id, network)
            if spec.keeps_ports:
                configuration.deliver(made, filled)
            return made
        except APIError as error:
            if error.status_code == 409 and name in str(error.explanation):
                raise NameTaken(name) from None
            raise

    def _others(self, spec: Spec) -> list[str]:
        """Return the networks, besides this place's own, of servers that it needs."""
        own = self._place.network
        return [each for each in spec.options.get("networks", ()) if each != own]

    def _running(
        self,
        spec: Spec,
        container: Container,
        image: images.ResolvedImage,
        warm: Warm | None,
        published: Mapping[str, int],
        number: int,
    ) -> Running:
        if not spec.keeps_ports:
            published = self._published(spec, container)
        host = self._session.host
        if spec.files and not spec.keeps_ports:
            container.put_archive("/", archive(with_address(spec.files, host, published)))
        return Running(
            id=str(container.id),
            host=host,
            ports=published,
            sockets=_mounted(container, spec.sockets),
            internal_host=self._place.host_name(spec),
            network=self._place.network,
            image=image.reference,
            origin=f"{image.origin}, {warm.kind}" if warm is not None else image.origin,
            number=number,
        )

    def _published(self, spec: Spec, container: Container) -> dict[str, int]:
        address = ports.publish_address(self._session.host)

        def published() -> dict[str, int]:
            container.reload()
            inside = container.ports
            found = {
                name: port
                for name, own in spec.ports.items()
                if (port := ports.host_port(inside.get(f"{own}/tcp"), address))
            }
            return found if len(found) == len(spec.ports) else {}

        def exited() -> None:
            if container.status == "exited":
                self._raise_exited(spec, str(container.id))

        try:
            return wait_until(published, timeout=PUBLISHED, poll=0.01, give_up=exited)
        except WaitTimeout as error:
            missing = ", ".join(str(port) for port in spec.ports.values())
            raise StartFailed(
                f"{spec.name} ({spec.image}) has no address after {PUBLISHED:g} s",
                cause=error.__cause__ or f"Docker has not published all of the ports {missing}",
                looked_at=f"container {str(container.id)[:12]} at {self._session.endpoint}",
                fix="restart Docker: its networking is stuck, or something else changes containers",
            ) from None

    def _raise_exited(self, spec: Spec, container_id: str) -> None:
        raise StartFailed(
            f"{spec.name} ({spec.image}) {self.state(container_id)} right after its start",
            cause="last log lines:\n" + self.logs(container_id, tail=20),
            looked_at=f"container {container_id[:12]}",
        )


def _is_taken(error: APIError) -> bool:
    """Say whether a start has failed because a port of the host is somebody else's."""
    said = str(error.explanation or error)
    return any(sign in said for sign in ("port is already allocated", "address already in use"))


def _mounted(container: Container, inside: str) -> str:
    """Return the folder of this machine that a container has at `inside`, "" if none."""
    bound = (each for each in container.attrs["Mounts"] if each["Type"] == "bind")
    return next((str(each["Source"]) for each in bound if each["Destination"] == inside), "")
