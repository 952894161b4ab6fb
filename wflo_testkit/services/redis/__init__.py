"""Redis: the table row from which its fixtures, settings and reports follow."""

from __future__ import annotations

from wflo_testkit.service import LeaseKind, Service, conveniences, lazy
from wflo_testkit.services.redis.handle import RedisDatabase, database, refused
from wflo_testkit.services.redis.probe import probe
from wflo_testkit.services.redis.server import RedisServer
from wflo_testkit.services.redis.spec import MODES, OPTIONS, external, spec

__all__ = ["SERVICE", "RedisDatabase", "RedisServer"]

SERVICE = Service(
    name="redis",
    spec=spec,
    probe=probe,
    server=RedisServer,
    external=external,
    isolation=lazy(f"{__name__}.isolation:RedisIsolation"),
    leases=(
        LeaseKind(
            name="database",
            doc="A part of Redis that only this test sees: a logical database, or a key prefix.",
            handle=database,
            refused=refused,
        ),
    ),
    conveniences=conveniences(
        f"{__name__}.clients",
        "database",
        "redis",
        ("redis",),
        client="A redis.Redis on the test's part of the server.",
        async_client="A redis.asyncio.Redis on the test's part of the server.",
    ),
    options=OPTIONS,
    start_seconds=0.3,
    modes=MODES,
)
