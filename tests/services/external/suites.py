"""Suites that make something on an external server, hold it, and find it untouched later."""

from __future__ import annotations

from pathlib import Path

from tests.lifecycle.runs import Launched
from tests.services.asker import row
from wflo_testkit.model import Server

_CONFTEST = """
    from wflo_testkit.broker import external
    from wflo_testkit.wait import clock, wait_until

    external.CLEARING_TIMEOUT = 60.0
    clock._offset -= float(os.environ.get("BEGAN_AGO", 0))

    def hold():
        ready()
        wait_until(lambda: (HERE / "go").exists(), timeout=100, poll=0.02)
"""

_POSTGRES = """
    import psycopg
    import pytest
    from conftest import hold

    def put(handle):
        with psycopg.connect(handle.url, autocommit=True) as link:
            link.execute("CREATE TABLE orders AS SELECT 1 AS id")

    def has(handle):
        with psycopg.connect(handle.url) as link:
            return link.execute("SELECT id FROM orders").fetchall() == [(1,)]

    @pytest.mark.wflo(orders="schema")
    def test_holds(postgres_database, orders_database):
        put(postgres_database)
        put(orders_database)
        hold()
        assert has(postgres_database) and has(orders_database)
"""

_REDIS = """
    from conftest import hold

    def test_holds(redis_client, redis_database):
        redis_client.set(redis_database.prefix + "key", 1)
        hold()
        assert redis_client.get(redis_database.prefix + "key") == b"1"
"""

_KAFKA = """
    from conftest import hold

    def test_holds(kafka_topics, kafka_producer, kafka_consumer):
        topic = kafka_topics.create("orders")
        kafka_producer.send(topic, b"one").get(timeout=30)
        consumer = kafka_consumer(topic, group="readers")
        next(consumer)
        consumer.commit()
        hold()
        assert [record.value for record in kafka_topics.read(topic, timeout=30)] == [b"one"]
        assert consumer.committed(next(iter(consumer.assignment()))) == 1
"""

_TEMPORAL = """
    import pytest
    from conftest import hold
    from temporalio.client import WorkflowExecutionStatus

    async def test_holds(temporal_namespace, temporal_client):
        started = await temporal_client.start_workflow(
            "Nobodys", id=temporal_namespace.workflow_id("order"),
            task_queue=temporal_namespace.task_queue(),
        )
        hold()
        assert (await started.describe()).status is WorkflowExecutionStatus.RUNNING
"""

_SUITES = {"postgres": _POSTGRES, "redis": _REDIS, "kafka": _KAFKA, "temporal": _TEMPORAL}
_SETTINGS = {"postgres": "url", "redis": "url", "kafka": "bootstrap_servers", "temporal": "address"}
_DASHED = ("kafka", "temporal")
_ORDERS = '[tool.wflo-testkit.servers.orders]\nservice = "postgres"\n'


def address_setting(server: Server, name: str = "") -> str:
    """Return the variable that makes `server` the external one of its kind."""
    return f"WFLO_TESTKIT_{name or server.service}_{_SETTINGS[server.service]}".upper()


def address(server: Server) -> dict[str, str]:
    """Return the setting, without the service's name, that makes `server` an external one."""
    return {_SETTINGS[server.service]: server.url}  # type: ignore[attr-defined]


def from_outside(server: Server) -> Server:
    """Return the same server as one that is external, known by its address alone."""
    service = row(server.service)
    return service.external(service.spec(server.service, address(server)))


def own_stem(service: str, run: str) -> str:
    """Return what the names of `run` begin with, written out here a second time."""
    return f"wflo-{run}-".replace("_", "-") if service in _DASHED else f"wflo_{run}_"


def launch(server: Server, folder: Path, **more: str) -> Launched:
    """Start a suite that holds a part of `server`, given by its address. more: variables."""
    service, url = server.service, server.url  # type: ignore[attr-defined]
    texts = {"conftest.py": _CONFTEST, "test_it.py": _SUITES[service]}
    variables = {address_setting(server): url}
    if service == "postgres":
        texts["pyproject.toml"] = _ORDERS
        variables[address_setting(server, "orders")] = url
    options = ("-q", "-n", "0", "-o", "asyncio_mode=auto", "-p", "no:randomly")
    return Launched(folder, texts, *options, variables=variables | more)


def go(launched: Launched) -> int:
    """Let the suite come to its end; return its exit code."""
    (launched.folder / "go").touch()
    return launched.process.wait(100)
