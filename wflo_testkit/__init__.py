"""wflo-testkit: real services in pytest, one set per run, a private part per test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wflo_testkit.errors import LeftoverWarning, TestkitError
    from wflo_testkit.model import Server, Spec
    from wflo_testkit.service import Convenience, Input, Lease, LeaseKind, Option, Service
    from wflo_testkit.services.kafka import KafkaServer, KafkaTopics
    from wflo_testkit.services.postgres import PostgresDatabase, PostgresServer
    from wflo_testkit.services.redis import RedisDatabase, RedisServer
    from wflo_testkit.services.temporal import TemporalNamespace, TemporalServer
    from wflo_testkit.wait import wait_until

_HOME = {
    "Convenience": "service",
    "Input": "service",
    "KafkaServer": "services.kafka",
    "KafkaTopics": "services.kafka",
    "Lease": "service",
    "LeaseKind": "service",
    "LeftoverWarning": "errors",
    "Option": "service",
    "PostgresDatabase": "services.postgres",
    "PostgresServer": "services.postgres",
    "RedisDatabase": "services.redis",
    "RedisServer": "services.redis",
    "Server": "model",
    "Service": "service",
    "Spec": "model",
    "TemporalNamespace": "services.temporal",
    "TemporalServer": "services.temporal",
    "TestkitError": "errors",
    "wait_until": "wait",
}

__all__ = [
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
    "TemporalNamespace",
    "TemporalServer",
    "TestkitError",
    "__version__",
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
