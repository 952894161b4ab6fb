"""What the service is told from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and names; each field is read from the variable of the same name in capitals."""

    database_url: str
    database_echo: bool = False
    app_env: str = "development"
    redis_url: str = "redis://localhost:6379/0"
    redis_prefix: str = ""
    kafka_bootstrap_servers: str = "localhost:9092"
    events_topic: str = "wflo-events"
    temporal_address: str = "localhost:7233"
    temporal_namespace: str = "default"
    temporal_task_queue: str = "wflo"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read `env`. Raises KeyError without DATABASE_URL, the only one that has no default."""
        values: dict[str, Any] = {"database_url": env["DATABASE_URL"]}
        for name in (field.name for field in fields(cls) if field.name.upper() in env):
            values[name] = env[name.upper()]
        values["database_echo"] = env.get("DATABASE_ECHO", "").lower() in {"1", "true", "yes"}
        return cls(**values)
