"""Temporal: one development server per run, a namespace per test."""

from __future__ import annotations

from wflo_testkit.reset import Reset
from wflo_testkit.service import (
    Lease,
    LeaseKind,
    LogLines,
    Service,
    TestContext,
    conveniences,
    lazy,
    plain,
)
from wflo_testkit.services.temporal.handle import TemporalNamespace
from wflo_testkit.services.temporal.probe import probe
from wflo_testkit.services.temporal.server import TemporalServer
from wflo_testkit.services.temporal.spec import OPTIONS, external, spec

__all__ = ["SERVICE", "TemporalNamespace", "TemporalServer"]


def _handle(lease: Lease, test: TestContext) -> TemporalNamespace:
    server = lease.server
    assert isinstance(server, TemporalServer)
    return TemporalNamespace(
        address=server.address,
        internal_address=server.internal_address,
        ui_url=server.ui_url,
        name=lease.data["namespace"],
        tag=lease.data["tag"],
        tell=lease.calling_once("told"),
        resets=Reset(lease.call, test.warn),
    )


SERVICE = Service(
    name="temporal",
    spec=spec,
    probe=probe,
    server=TemporalServer,
    external=external,
    isolation=lazy(f"{__name__}.isolation:TemporalIsolation"),
    leases=(
        LeaseKind(
            name="namespace",
            doc="A Temporal namespace that only this test uses.",
            handle=lambda lease, test: plain(_handle(lease, test)),
        ),
    ),
    conveniences=conveniences(
        f"{__name__}.conveniences",
        "namespace",
        "temporal",
        ("temporalio",),
        client="A connected temporalio Client of the test's namespace.",
        worker="Factory: `async with temporal_worker(workflows=[...], activities=[...]):`.",
    ),
    options=OPTIONS,
    start_seconds=0.5,
    modes=("namespace",),
    log=LogLines(lease=r"\bwflo-(?:[0-9a-f]{8}-)?[0-9]+\b"),
)
