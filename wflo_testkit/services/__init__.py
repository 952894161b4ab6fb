"""The table of services: one line each, and the entry points of other packages."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wflo_testkit.errors import SettingError
from wflo_testkit.service import Service

BUILT_IN = {
    "postgres": "wflo_testkit.services.postgres",
    "redis": "wflo_testkit.services.redis",
    "kafka": "wflo_testkit.services.kafka",
    "temporal": "wflo_testkit.services.temporal",
}
ENTRY_POINTS = "wflo_testkit.services"


@cache
def table() -> dict[str, Service]:
    """Return every known service by name, read once per process; loads no client library.

    Raises SettingError when another package's entry point is no Service or takes a name twice.
    """
    services = {name: import_module(home).SERVICE for name, home in BUILT_IN.items()}
    for name, service in _from_entry_points():
        if name in services:
            raise SettingError(
                f"two services are called {name!r}",
                looked_at=f"entry points of group {ENTRY_POINTS!r}",
                fix="uninstall one of them or rename yours",
            )
        services[name] = service
    return services


def _from_entry_points() -> list[tuple[str, Service]]:
    from importlib.metadata import entry_points

    found: list[tuple[str, Service]] = []
    for entry in entry_points(group=ENTRY_POINTS):
        service = entry.load()
        if not isinstance(service, Service):
            raise SettingError(
                f"the entry point {entry.name!r} is a {type(service).__name__}, not a Service",
                looked_at=f"{entry.value} of {entry.dist.name if entry.dist else 'unknown'}",
            )
        found.append((service.name, service))
    return found
