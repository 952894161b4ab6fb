"""Looks at a Postgres server from outside while a suite runs on it."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import containers

FILE = "BENCH_SERVER_FILE"
POLL = 0.05
EVERY = 40
"""Looks between two at the container's memory."""
_QUERY = """
    SELECT (SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
           (SELECT count(*) FROM pg_database
            WHERE datname NOT IN ('postgres', 'template0', 'template1'))
"""


@dataclass
class Seen:
    """The most connections of clients and databases in so many looks.

    memory: bytes of the container, now and then.
    """

    connections: int = 0
    databases: int = 0
    looks: int = 0
    memory: list[int] = field(default_factory=list)

    @property
    def server_growth(self) -> int:
        return self.memory[-1] - self.memory[0] if self.memory else 0


def tell(server: Any) -> None:
    """Say where the server is; called by the suite. Workers all say the same."""
    path = Path(os.environ[FILE])
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"url": server.url, "container": server.container_id}))
    draft.replace(path)


class Watch(threading.Thread):
    """Looks from the moment that the suite tells where, until it is told to stop."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="watch", daemon=True)
        self.seen = Seen()
        self.variables = {FILE: str(path)}
        self._path = path
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(POLL):
            if self._path.exists():
                told = json.loads(self._path.read_text())
                with containers.client() as docker:
                    self._look(told["url"], told["container"], docker)
                return

    def stop(self) -> None:
        self._over.set()
        self.join(timeout=10)

    def _look(self, url: str, container: str, docker: Any) -> None:
        """Look until stopped, or until the server is gone."""
        import psycopg
        from docker.errors import DockerException

        try:
            with psycopg.connect(url, autocommit=True) as connection:
                while not self._over.wait(POLL):
                    row = connection.execute(_QUERY).fetchone()
                    assert row is not None  # for the type checker
                    self.seen.connections = max(self.seen.connections, row[0])
                    self.seen.databases = max(self.seen.databases, row[1])
                    if self.seen.looks % EVERY == 0:
                        self.seen.memory.append(containers.usage(docker, container).memory)
                    self.seen.looks += 1
        except (psycopg.Error, DockerException, KeyError):
            return  # it is removed at the end of the suite


@contextmanager
def watch() -> Iterator[Watch]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = Watch(Path(folder) / "server")
        made.start()
        try:
            yield made
        finally:
            made.stop()
