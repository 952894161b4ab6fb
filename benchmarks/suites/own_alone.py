"""conftest.py of the same suite on testcontainers alone: each worker starts them for itself."""

import contextlib
import os

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy


@pytest.fixture(scope="session")
def addresses():  # type: ignore[no-untyped-def]
    with contextlib.ExitStack() as stack:
        found = []
        for _name in ("web", "proxy", "files"):
            container = DockerContainer(os.environ["BENCH_NGINX"]).with_exposed_ports(80)
            wait = HttpWaitStrategy(80).with_poll_interval(0.05)
            stack.enter_context(container.waiting_for(wait))
            port = container.get_exposed_port(80)
            found.append(f"http://{container.get_container_host_ip()}:{port}")
        yield found
