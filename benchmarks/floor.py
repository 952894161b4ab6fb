"""The floor of a start: docker-py create + start + raw probe, side by side, nothing else.

On the warm images that the kit would use, if there are any.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import warmth
from benchmarks.probes import PROBES, Reach
from wflo_testkit.model import MAIN, Spec
from wflo_testkit.runtime.placeholders import with_address, with_password
from wflo_testkit.wait import wait_until

if TYPE_CHECKING:
    from wflo_testkit.runtime.docker_session import DockerSession

HOST = "127.0.0.1"
POLL = 0.01
TIMEOUT = 60.0


class Floor:
    """Starts the containers of Specs as docker-py would, and removes them.

    session: guards them with its reaper, which is up before any clock starts.
    """

    def __init__(self, session: DockerSession) -> None:
        self._session = session
        self._client = session.client.client
        session.wait_for_reaper()

    def seconds(self, specs: Sequence[Spec]) -> float:
        """Start `specs` side by side and return when the last one answers; then remove them."""
        images, specs, passwords = zip(
            *(warmth.runnable(self._client, spec) for spec in specs), strict=True
        )
        containers: list[Any] = []
        with ThreadPoolExecutor(len(specs)) as pool:
            pool.map(abs, range(len(specs)))  # threads exist before the clock starts
            try:
                began = time.monotonic()
                list(pool.map(partial(self._start, containers), images, specs, passwords))
                return time.monotonic() - began
            finally:
                list(pool.map(lambda each: each.remove(v=True, force=True), containers))

    def _start(self, containers: list[Any], image: str, spec: Spec, password: str) -> None:
        filled = with_password(spec, password)
        container = self._client.containers.create(
            image,
            command=list(filled.command),
            environment=dict(filled.environment),
            ports={f"{port}/tcp": (HOST,) for port in spec.ports.values()},
            tmpfs=dict(spec.tmpfs),
            hostname=spec.name,
            labels=self._session.labels("benchmark"),
        )
        containers.append(container)
        container.start()
        ports = self._ports(container.id, spec)
        if spec.files:
            container.put_archive("/", _archive(with_address(filled.files, HOST, ports)))
        reach = Reach(HOST, ports[MAIN], spec.username, password)
        probe = PROBES[spec.service]
        wait_until(lambda: probe(reach) is None, timeout=TIMEOUT, poll=POLL, describe=spec.name)

    def _ports(self, container_id: str, spec: Spec) -> dict[str, int]:
        def published() -> dict[str, int]:
            facts = self._client.api.inspect_container(container_id)
            bound = facts["NetworkSettings"]["Ports"]
            return {n: int(bound[f"{p}/tcp"][0]["HostPort"]) for n, p in spec.ports.items()}

        return wait_until(published, timeout=TIMEOUT, poll=POLL, describe="published ports")


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(text.encode()), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
