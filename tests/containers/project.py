"""A project's own containers without pytest in between: words in, a running container out."""

from __future__ import annotations

import dataclasses
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.reuse import Reuse
from wflo_testkit.model import Build, Spec
from wflo_testkit.run import needs
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.services.container import SERVICE, ContainerServer, spec
from wflo_testkit.services.container.words import OPTIONS


def described(root: Path, name: str = "app", **words: Any) -> Spec:
    """Return what the container's words say, as its table or `wflo_container` gives them."""
    values = {option.key.removeprefix("container_"): option.default for option in OPTIONS}
    assert set(words) <= set(values)
    return spec(name, {**values, **words, "root": str(root)})


class Project:
    """A folder and the broker of one run. root: the folder."""

    def __init__(self, root: Path, broker: Broker) -> None:
        self.root = root
        self.broker = broker
        self._specs: dict[str, Spec] = {}

    def spec(self, name: str, **words: Any) -> Spec:
        """Return what a container runs, with all that it needs of those described before."""
        made = described(self.root, name, **words)
        self._specs[name] = needs.added(made, self._specs, {}, self._specs.__getitem__)
        return self._specs[name]

    def start(self, name: str, **words: Any) -> ContainerServer:
        """Return the ready server of a container. Raises what its start raises."""
        return self.get(self.spec(name, **words))

    def get(self, spec: Spec) -> ContainerServer:
        server = self.broker.servers.get(spec)
        assert not isinstance(server, Build)
        servers, key = self.broker.servers, server.key
        made: Any = dataclasses.replace(
            server, control=partial(servers.do, key), read_logs=partial(servers.logs, key)
        )
        return made


@contextmanager
def project(root: Path, *, reuse: bool = False) -> Iterator[Project]:
    """Yield a project whose run ends, with all that it made, afterwards.

    reuse: whether the user's home is where servers are kept.
    """
    session = DockerSession(secrets.token_hex(4))
    kept = Reuse(KeptServers(session.run, str(root), 3600.0)) if reuse else None
    broker = Broker({"container": SERVICE}, session, kept)
    try:
        yield Project(root, broker)
    finally:
        broker.close()


def inspected(container_id: str) -> Mapping[str, Any]:
    """Return what Docker says of a container."""
    done = subprocess.run(
        ["docker", "inspect", container_id], capture_output=True, text=True, check=True
    )
    found: Mapping[str, Any] = json.loads(done.stdout)[0]
    return found
