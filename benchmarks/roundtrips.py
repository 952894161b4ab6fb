"""The floor of a hand-out: two of a server's cheapest round trips over an open connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

TRIPS = 2


def seconds(server: Any, times: int) -> list[float]:
    """Return the seconds of TRIPS round trips to `server`, asked `times` times."""
    return _FLOORS[server.service](server, times)


def _postgres(server: Any, times: int) -> list[float]:
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        return _timed(lambda: connection.execute("SELECT 1").fetchall(), times)


def _redis(server: Any, times: int) -> list[float]:
    import redis

    with redis.Redis.from_url(server.url) as client:
        return _timed(client.ping, times)


def _kafka(server: Any, times: int) -> list[float]:
    """Metadata without topics, written by hand: kafka-python's clients run threads of their own."""
    import socket
    import struct

    request = struct.pack(">hhih", 3, 4, 1, -1) + struct.pack(">ib", 0, 0)
    with socket.create_connection((server.host, server.port), timeout=5) as link:
        stream = link.makefile("rb")

        def ask() -> None:
            link.sendall(struct.pack(">i", len(request)) + request)
            stream.read(struct.unpack(">i", stream.read(4))[0])

        with stream:
            return _timed(ask, times)


def _temporal(server: Any, times: int) -> list[float]:
    from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
    from temporalio.service import ConnectConfig, ServiceClient

    async def ask_all() -> list[float]:
        address = f"{server.host}:{server.port}"
        client = await ServiceClient.connect(ConnectConfig(target_host=address))
        found = []
        for _ in range(times):
            began = time.perf_counter()
            for _ in range(TRIPS):
                await client.workflow_service.get_system_info(GetSystemInfoRequest())
            found.append(time.perf_counter() - began)
        return found

    return asyncio.run(ask_all())


_FLOORS: dict[str, Callable[[Any, int], list[float]]] = {
    "postgres": _postgres,
    "redis": _redis,
    "kafka": _kafka,
    "temporal": _temporal,
}


def _timed(trip: Callable[[], object], times: int) -> list[float]:
    trip()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        for _ in range(TRIPS):
            trip()
        found.append(time.perf_counter() - began)
    return found
