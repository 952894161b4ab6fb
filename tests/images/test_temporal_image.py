"""The Temporal image's contract: a CLI as entry point, and its development server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from tests.images.conftest import Box
from wflo_testkit.wait import wait_until

Run = Callable[..., Box]
SERVER = ["server", "start-dev", "--ip", "0.0.0.0", "--headless"]


def has_namespace(box: Box, name: str) -> bool:
    """Ask the server for a namespace, over the mapped port."""

    async def ask() -> bool:
        client = await Client.connect(f"127.0.0.1:{box.port(7233)}")
        request = DescribeNamespaceRequest(namespace=name)
        answer = await client.workflow_service.describe_namespace(request)
        return answer.namespace_info.name == name

    def check() -> bool:
        return asyncio.run(ask())

    return wait_until(check, timeout=20, describe=f"namespace {name}", catch=RuntimeError)


def test_the_server_answers_from_outside(run: Run) -> None:
    assert has_namespace(run("temporal", SERVER, ports=(7233,)), "default")


def test_namespaces_and_search_attributes_at_launch(run: Run) -> None:
    extra = ["--namespace", "one", "--namespace", "two", "--search-attribute", "Tenant=Keyword"]
    box = run("temporal", [*SERVER, *extra], ports=(7233,))

    assert has_namespace(box, "one")
    assert has_namespace(box, "two")
    assert "Tenant" in box.sh("temporal operator search-attribute list --namespace one")


def test_by_default_it_listens_on_loopback(run: Run) -> None:
    """Why the address is part of every Spec."""
    box = run("temporal", ["server", "start-dev", "--headless"])
    box.wait_for_log("7233")

    assert "0.0.0.0:7233" not in box.logs()


def test_no_arguments_show_help(run: Run) -> None:
    """The entry point is the CLI itself: there is no default command to start a server."""
    box = run("temporal")
    box.exit_code()

    assert "Usage:" in box.logs()


def test_the_version_is_the_pinned_one(run: Run) -> None:
    box = run("temporal", ["--version"])

    assert box.exit_code() == 0
    assert "1.8.2" in box.logs()


def test_user(run: Run) -> None:
    box = run("temporal", SERVER, ports=(7233,))
    has_namespace(box, "default")

    assert box.sh("id -u") == "1000"
    assert box.sh("id -un") == "temporal"


def test_it_stops_at_once(run: Run) -> None:
    box = run("temporal", SERVER, ports=(7233,))
    has_namespace(box, "default")

    assert box.terminate() == 0
