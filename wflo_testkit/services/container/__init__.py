"""A container of one's own: the row of every server that a project declares without a service."""

from __future__ import annotations

from wflo_testkit.service import Service
from wflo_testkit.services.container.server import ContainerServer
from wflo_testkit.services.container.spec import external, spec
from wflo_testkit.services.container.words import COMPOSE, OPTIONS

__all__ = ["SERVICE", "ContainerServer"]

SERVICE = Service(
    name="container",
    spec=spec,
    probe=lambda _server: None,  # when it is ready its spec says
    server=ContainerServer,
    external=external,
    options=OPTIONS,
    hints=COMPOSE,
)
