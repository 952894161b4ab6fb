"""What to run for Temporal, from the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN, Spec
from wflo_testkit.service import Option
from wflo_testkit.services.temporal.server import UI, TemporalServer

OPTIONS = (
    Option(key="temporal_address", default="", help="an external server, as host:port (no TLS)"),
    Option(
        key="temporal_namespace",
        default="",
        help="external server only: use this one namespace instead of registering one per test",
    ),
    Option(
        key="temporal_namespaces",
        default=64,
        help="namespaces that the server makes at launch; later ones are registered as needed",
        on_command_line=False,
    ),
    Option(
        key="temporal_search_attributes",
        default={},
        help='search attributes of every namespace: {CustomerId = "Keyword"}',
        on_command_line=False,
    ),
    Option(
        key="temporal_dynamic_config",
        default={},
        help='dynamic configuration, over the kit\'s own: {"limit.blobSize.error" = 1000}',
        on_command_line=False,
    ),
    Option(key="temporal_ui", default=False, help="run the web interface, at server.ui_url"),
    Option(
        key="temporal_system_workers",
        default=False,
        help="run system workers per namespace: batch operations and classic schedules need them",
    ),
)

PORT = 7233
UI_PORT = 8233
# CLI manual, `temporal server start-dev --search-attribute`.
TYPES = ("Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList")

NOTED = 0.1
"""Seconds; 0.1 takes 0.5 % of a core, 0.05 takes 1.3, and the default 0.3 (measured, idle)."""
# Each key of the history service is about latency, measured on server 1.31.2: the queues poll at
# most 20 times a second by default, so that after 20 workflows a new one is visible after 47 ms
# instead of 2; and timers fire on a grid of one second (a sleep of 50 ms takes 1 s, now 55 ms).
_TUNED: dict[str, Any] = {
    "frontend.rps.namespaceReplicationInducingAPIs": 1000,
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
    "history.transferProcessorMaxPollRPS": 1000,
    "history.timerProcessorMaxPollRPS": 1000,
    "history.visibilityProcessorMaxPollRPS": 1000,
    "history.timerProcessorMaxTimeShift": "5ms",
    # A workflow that has just closed is not deleted before its queues have noted that, by default
    # every 30 s; and who comes too early is heard again after 3 s.
    "history.transferProcessorUpdateAckInterval": f"{NOTED * 1000:.0f}ms",
    "history.visibilityProcessorUpdateAckInterval": f"{NOTED * 1000:.0f}ms",
}
# Sixty-four namespaces' system workers cost 400 MiB; schedules run without them on the newer
# engine inside the history service.
_WITHOUT_SYSTEM_WORKERS: dict[str, Any] = {
    "worker.perNamespaceWorkerCount": 0,
    "history.enableChasm": True,
    "history.enableCHASMSchedulerCreation": True,
}


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    """Return what to run for the server `name`; nothing when `address` names an external one.

    Raises SettingError for an address, a search attribute or a number that cannot be used.
    """
    attributes = _attributes(settings.get("search_attributes") or {})
    if settings.get("address"):
        return _external_spec(name, settings, attributes)
    from wflo_testkit.catalog import official

    launched = launch_names(_count(settings.get("namespaces", 64)))
    ui = bool(settings.get("ui"))
    return Spec(
        service="temporal",
        name=name,
        networked=False,
        image=settings.get("image") or official("temporal"),
        command=(
            *("server", "start-dev", "--ip", "0.0.0.0"),  # noqa: S104 - inside the container
            *(() if ui else ("--headless",)),
            *(f"--dynamic-config-value={k}={json.dumps(v)}" for k, v in _config(settings).items()),
            *(f"--search-attribute={key}={kind}" for key, kind in attributes.items()),
            *(f"--namespace={namespace}" for namespace in launched),
        ),
        ports={MAIN: PORT} | ({UI: UI_PORT} if ui else {}),
        options={"namespaces": len(launched), "search_attributes": attributes},
        startup_timeout=float(settings.get("startup_timeout") or 60),
    )


def external(spec: Spec) -> TemporalServer:
    """Return the server that `spec.external` names; connects to nothing."""
    host, _colon, port = spec.external.rpartition(":")
    return TemporalServer.outside(spec, host, int(port), options=dict(spec.options))


def launch_names(count: int) -> list[str]:
    """Return the names of the namespaces made at launch.

    They carry no run id, which a Spec cannot know; see NamespacePool for who may use them.
    """
    return [f"wflo-{number}" for number in range(count)]


def _external_spec(name: str, settings: Mapping[str, Any], attributes: dict[str, str]) -> Spec:
    address = str(settings["address"])
    host, _colon, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise SettingError(
            "the address of the external Temporal server cannot be used",
            cause=f"it is {address!r}",
            looked_at="setting temporal_address",
            fix="write it as host:port, for example temporal.example.org:7233",
        )
    return Spec(
        service="temporal",
        name=name,
        external=address,
        options={
            "namespaces": 0,
            "namespace": settings.get("namespace") or "",
            "search_attributes": attributes,
        },
        startup_timeout=float(settings.get("startup_timeout") or 60),
    )


def _config(settings: Mapping[str, Any]) -> dict[str, Any]:
    own = {} if settings.get("system_workers") else _WITHOUT_SYSTEM_WORKERS
    return _TUNED | own | dict(settings.get("dynamic_config") or {})


def _attributes(given: Mapping[str, Any]) -> dict[str, str]:
    known = {kind.lower(): kind for kind in TYPES}
    for key, kind in given.items():
        if str(kind).lower() not in known:
            raise SettingError(
                f"the search attribute {key!r} has an unknown type: {kind!r}",
                looked_at="setting temporal_search_attributes",
                fix="use one of " + ", ".join(TYPES),
            )
    return {str(key): known[str(kind).lower()] for key, kind in given.items()}


def _count(given: Any) -> int:
    if not 0 <= int(given) <= 1000:
        raise SettingError(
            f"temporal_namespaces cannot be {given}",
            cause="each namespace costs the server about 1 MiB and a little of its start",
            fix="use a number from 0 to 1000",
        )
    return int(given)
