"""What a run would have left on an external server, made by hand under names of one's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from tests.services.external.suites import own_stem
from tests.services.postgres_server import query
from wflo_testkit.model import Server

COUNT = 6
"""Things of each kind: enough that two who drop them at once meet."""
SEVERAL_PAGES = 3000
"""Keys of Redis that no one look at the server shows."""

OWN = {
    "postgres": [*map(str, range(1, COUNT)), "t_0a1b", *(f"s_{each}a" for each in range(COUNT))],
    "redis": [*(f"{each}a" for each in range(COUNT)), *(f"0a:{n}" for n in range(SEVERAL_PAGES))],
    "kafka": [f"{each}a-orders" for each in range(COUNT)],
    "temporal": [str(each) for each in range(COUNT)],
}
"""How names of each service end."""

ALIKE = {
    "postgres": ["backup", "1_old", "s_0a_old"],
    "redis": ["0a_old", "0a_1:key"],
    "kafka": ["backup"],
    "temporal": ["backup", "1-old"],
}
"""How names end that begin like a run's and are somebody else's."""


class InPostgres:
    """A schema for each name that says so, else a database; one is a template."""

    def make(self, server: Any, names: Iterable[str]) -> None:
        for name in names:
            query(server, f'CREATE {_kind(name)} "{name}"')
            if "_s_" in name:
                query(server, f'CREATE TABLE "{name}".orders (id int)')
            elif "_t_" in name:
                query(server, f'ALTER DATABASE "{name}" IS_TEMPLATE true ALLOW_CONNECTIONS false')

    def remove(self, server: Any, names: Iterable[str]) -> None:
        for name in names:
            query(server, f'DROP {_kind(name)} "{name}"' + (" CASCADE" if "_s_" in name else ""))


def _kind(name: str) -> str:
    return "SCHEMA" if "_s_" in name else "DATABASE"


class InRedis:
    """A key for each name with a colon, else a user."""

    def make(self, server: Any, names: Collection[str]) -> None:
        import redis

        with redis.Redis.from_url(server.url) as one:
            if keys := {name: "1" for name in names if ":" in name}:
                one.mset(keys)
            for user in (name for name in names if ":" not in name):
                one.acl_setuser(user, enabled=True, nopass=True)

    def remove(self, server: Any, names: Iterable[str]) -> None:
        import redis

        with redis.Redis.from_url(server.url) as one:
            for name in names:
                one.delete(name) if ":" in name else one.acl_deluser(name)


class InKafka:
    """A topic for each name."""

    def make(self, server: Any, names: Iterable[str]) -> None:
        self._ask(server, lambda one: one.create_topics({n: {"num_partitions": 1} for n in names}))

    def remove(self, server: Any, names: Iterable[str]) -> None:
        self._ask(server, lambda one: one.delete_topics(list(names)))

    def _ask(self, server: Any, work: Callable[[Any], object]) -> None:
        from kafka import KafkaAdminClient

        client = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
        try:
            work(client)
        finally:
            client.close()


class InTemporal:
    """A namespace for each name."""

    def make(self, server: Any, names: Iterable[str]) -> None:
        from wflo_testkit.services.temporal.pool import registered_now

        self._ask(server, [partial(registered_now, name=name) for name in names])

    def remove(self, server: Any, names: Iterable[str]) -> None:
        from wflo_testkit.services.temporal.sweep import delete_namespace

        self._ask(server, [partial(delete_namespace, name=name) for name in names])

    def _ask(self, server: Any, works: Iterable[Callable[..., Any]]) -> None:
        from wflo_testkit.services.temporal.connection import TemporalConnection

        link = TemporalConnection(server.address)
        try:
            for work in works:
                link.call(work)
        finally:
            link.close()


IN: dict[str, Any] = {
    "postgres": InPostgres(),
    "redis": InRedis(),
    "kafka": InKafka(),
    "temporal": InTemporal(),
}


def begin_workflow(server: Any, workflow_id: str) -> None:
    """Start a workflow that nobody works on, in the namespace `default`."""
    from temporalio.api.common.v1 import WorkflowType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

    from wflo_testkit.services.temporal.connection import TemporalConnection

    request = StartWorkflowExecutionRequest(
        namespace="default",
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name="Nobodys"),
        task_queue=TaskQueue(name="nobodys"),
        request_id=workflow_id,
    )
    link = TemporalConnection(server.address)
    try:
        link.call(lambda client: client.workflow_service.start_workflow_execution(request))
    finally:
        link.close()


def plant(server: Server, run: str, endings: dict[str, list[str]] = OWN) -> list[str]:
    """Make things under names that begin as those of `run`, a dated id; return the names."""
    stem = own_stem(server.service, run)
    names = [
        f"wflo-testkit:{stem}{ending}" if ":" in ending else f"{stem}{ending}"
        for ending in endings[server.service]
    ]
    IN[server.service].make(server, names)
    return names


def uproot(server: Server, names: Iterable[str]) -> None:
    """Remove what was planted."""
    IN[server.service].remove(server, names)
