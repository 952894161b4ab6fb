"""What a run has on a server, read by means of its own: to show that it is gone, or spared."""

from __future__ import annotations

from wflo_testkit.model import Server


def traces(server: Server, run: str) -> set[str]:
    """Return the names of what `run` has on `server`: databases, users, topics, namespaces."""
    return {name for name in _READERS[server.service](server) if run in name}


def _postgres(server: Server) -> list[str]:
    import psycopg

    with psycopg.connect(server.url) as connection:  # type: ignore[attr-defined]
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        rows += connection.execute("SELECT rolname FROM pg_roles").fetchall()
    return [name for (name,) in rows]


def _redis(server: Server) -> list[str]:
    import redis

    last = int(server.options["databases"]) - 1
    with redis.Redis.from_url(server.url, decode_responses=True) as admin:  # type: ignore[attr-defined]
        names = [*admin.acl_users(), *admin.keys("*")]
    account = f"redis://{server.username}:{server.password}@{server.host}:{server.port}"
    with redis.Redis.from_url(f"{account}/{last}", decode_responses=True) as admin:
        names += [f"{key}={admin.get(key)}" for key in admin.keys("*")]
    return names


def _kafka(server: Server) -> list[str]:
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)  # type: ignore[attr-defined]
    try:
        return list(admin.list_topics())
    finally:
        admin.close()


def _temporal(server: Server) -> list[str]:
    from temporalio.api.workflowservice.v1 import ListNamespacesRequest
    from temporalio.service import ServiceClient

    from wflo_testkit.services.temporal.connection import TemporalConnection

    async def names(client: ServiceClient) -> list[str]:
        request = ListNamespacesRequest(page_size=1000)
        page = await client.workflow_service.list_namespaces(request)
        return [each.namespace_info.name for each in page.namespaces]

    link = TemporalConnection(f"{server.host}:{server.port}")
    try:
        return link.call(names)
    finally:
        link.close()


_READERS = {"postgres": _postgres, "redis": _redis, "kafka": _kafka, "temporal": _temporal}
