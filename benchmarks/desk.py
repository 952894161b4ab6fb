"""The kit's broker in this process: servers that run beside what is measured."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import warmth
from wflo_testkit import services
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.settings.options import common


@contextmanager
def session() -> Iterator[DockerSession]:
    """Yield a run of its own; everything that carries its labels is removed at the end."""
    made = DockerSession(secrets.token_hex(4))
    try:
        yield made
    finally:
        made.close()


@contextmanager
def servers(*names: str) -> Iterator[list[Server]]:
    """Yield running servers of these services, started side by side by a broker in this process."""
    broker = Broker(services.table(), DockerSession(secrets.token_hex(4)), warming=warmth.warming())
    try:
        asker = broker.owner("bench")
        specs = [spec(name) for name in names]
        for each in specs:
            asker.prefetch(each)
        yield [asker.server(each) for each in specs]
    finally:
        broker.close()


def spec(name: str) -> Spec:
    """Return what the kit runs for a service by default."""
    service = services.table()[name]
    return service.spec(name, _settings(name))


def _settings(name: str) -> dict[str, Any]:
    """Return the defaults of a service's settings, without the prefix."""
    options = (*common(name), *services.table()[name].options)
    return {each.key.removeprefix(f"{name}_"): each.default for each in options}
