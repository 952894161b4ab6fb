"""wflo-testkit: real services in pytest, one set per run, a private part per test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wflo_testkit.errors import LeftoverWarning, TestkitError
    from wflo_testkit.model import Server, Spec
    from wflo_testkit.plugin.scoped import scoped
    from wflo_testkit.run.stack import Stack
    from wflo_testkit.service import Convenience, Input, Lease, LeaseKind, Option, Service
    from wflo_testkit.services.container import ContainerServer
    from wflo_testkit.services.kafka import KafkaServer, KafkaTopics
    from wflo_testkit.services.postgres import PostgresDatabase, PostgresServer
    from wflo_testkit.services.redis import RedisDatabase, RedisServer
    from wflo_testkit.services.temporal import TemporalNamespace, TemporalServer
    from wflo_testkit.wait import wait_until

_HOME = {
    name: home
    for home, names in {
        "errors": ("LeftoverWarning", "TestkitError"),
        "model": ("Server", "Spec"),
        "run.stack": ("Stack",),
        "plugin.scoped": ("scoped",),
        "service": ("Convenience", "Input", "Lease", "LeaseKind", "Option", "Service"),
        "services.container": ("ContainerServer",),
        "services.kafka": ("KafkaServer", "KafkaTopics"),
        "services.postgres": ("PostgresDatabase", "PostgresServer"),
        "services.redis": ("RedisDatabase", "RedisServer"),
        "services.temporal": ("TemporalNamespace", "TemporalServer"),
        "wait": ("wait_until",),
    }.items()
    for name in names
}

__all__ = [
    "ContainerServer",
    "Convenience",
    "Input",
    "KafkaServer",
    "KafkaTopics",
    "Lease",
    "LeaseKind",
    "LeftoverWarning",
    "Option",
    "PostgresDatabase",
    "PostgresServer",
    "RedisDatabase",
    "RedisServer",
    "Server",
    "Service",
    "Spec",
    "Stack",
    "TemporalNamespace",
    "TemporalServer",
    "TestkitError",
    "__version__",
    "scoped",
    "wait_until",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that loading the plugin stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
