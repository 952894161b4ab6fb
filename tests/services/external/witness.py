"""What a run has left on an external server, as its administrator sees it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.services.postgres_server import query
from wflo_testkit.model import Server
from wflo_testkit.wait import wait_until

Names = set[str]


def of_postgres(server: Any) -> Names:
    """Return the databases, roles and schemas of the server."""
    databases = query(server, "SELECT datname FROM pg_database")
    roles = query(server, "SELECT rolname FROM pg_roles")
    schemas = query(server, "SELECT nspname FROM pg_namespace")
    return {str(name) for (name,) in (*databases, *roles, *schemas)}


def of_redis(server: Any) -> Names:
    """Return the keys and the users of the server."""
    import redis

    with redis.Redis.from_url(server.url, decode_responses=True) as one:
        return {*one.scan_iter("*"), *map(str, one.acl_users())}


def of_kafka(server: Any) -> Names:
    """Return the topics and groups of the cluster."""
    from kafka import KafkaAdminClient

    client = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
    try:
        return {*client.list_topics(), *(each["group_id"] for each in client.list_groups())}
    finally:
        client.close()


def of_temporal(server: Any) -> Names:
    """Return the namespaces that can be used, and what runs in `default`."""
    from wflo_testkit.services.temporal.connection import TemporalConnection
    from wflo_testkit.services.temporal.leftovers import running

    link = TemporalConnection(server.address)
    in_default = partial(running, namespace="default", prefix="wflo-")
    try:
        return {
            *link.call(_namespaces),
            *(each.execution.workflow_id for each in link.call(in_default)),
        }
    finally:
        link.close()


async def _namespaces(client: Any) -> Names:
    from temporalio.api.workflowservice.v1 import ListNamespacesRequest

    page = await client.workflow_service.list_namespaces(ListNamespacesRequest(page_size=1000))
    names = {each.namespace_info.name for each in page.namespaces}
    return {name for name in names if "-deleted-" not in name}


LOOKS: dict[str, Callable[[Any], Names]] = {
    "postgres": of_postgres,
    "redis": of_redis,
    "kafka": of_kafka,
    "temporal": of_temporal,
}


def assert_gone(server: Server, *runs: str) -> None:
    """Check that nothing carries the runs' ids; Kafka's brokers hear of it a moment later."""
    for run in runs:
        wait_until(
            lambda run=run: not left_by(server, run),
            timeout=30,
            poll=0.1,
            describe=f"the end of {left_by(server, run)}",
        )


def assert_removed(server: Server, names: Names) -> None:
    """Check that none of `names` is there any more, after the same moment."""
    wait_until(
        lambda: not names & LOOKS[server.service](server),
        timeout=30,
        poll=0.1,
        describe=f"the end of {names}",
    )


def left_by(server: Server, run: str) -> Names:
    """Return every name on the server that carries the id of `run`."""
    assert run
    return {name for name in LOOKS[server.service](server) if run in name}
