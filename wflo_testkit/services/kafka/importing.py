"""kafka-python, imported so that it works under `-W error` and frozen time, and made quicker."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import socket

_LOCK = threading.Lock()
BACKOFF_MILLISECONDS = 10


class RunningTime:
    """Stands in for the module `time`, with a monotonic clock that nobody can stop.

    What else of `time` a test has replaced is what is seen here, too.
    """

    monotonic = staticmethod(clock.monotonic)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def load() -> None:
    """Import kafka-python with its admin client. Raises ModuleNotFoundError without it.

    The library reads its message schemas by importlib.resources.read_text, which warns on Python
    3.11 and 3.12, so that under `-W error` it cannot be imported. Ignoring the warning would not
    do: filters belong to the whole process, pytest resets them, and this may run in any thread.
    So the function's successor stands in for it while the import lasts.

    Its event loop, retries and time-outs go by `time.monotonic`, which freezegun stops: a client
    then waits for ever, and one that lived before meets a clock that jumped by half a century
    (kafka-python 3.0.12). Ignoring its modules in freezegun's settings would come too late for
    decorators, and hide the frozen time from a test's serializers; so its modules get a clock of
    their own.
    """
    if isinstance(getattr(sys.modules.get("kafka.admin.client"), "time", None), RunningTime):
        return
    with _LOCK:
        if "kafka.admin" not in sys.modules:
            _import()
        for name, module in list(sys.modules.items()):
            if name.startswith("kafka.") and getattr(module, "time", None) is time:
                module.time = RunningTime()  # type: ignore[attr-defined]


def quick_client(**configs: Any) -> Any:
    """Return what kafka-python's setting `kafka_client` asks for.

    A new client learns of a topic by its second look at the cluster. kafka-python 3.0.12 pauses
    100 ms before that, whatever `retry_backoff_ms` says, and asks for the topic to be made,
    whatever `allow_auto_create_topics` says: neither reaches its view of the cluster, whose own
    `config` does (measured: 34 ms to the first acknowledged record, 123 ms without).
    """
    from kafka.net.compat import KafkaNetClient

    client = KafkaNetClient(net=_selector(**configs), **configs)
    client.cluster.config["retry_backoff_ms"] = BACKOFF_MILLISECONDS
    if "allow_auto_create_topics" in configs:
        client.cluster.config["allow_auto_create_topics"] = configs["allow_auto_create_topics"]
    return client


def _selector(**configs: Any) -> Any:
    """Return what a client waits with for its sockets, and closes them all with it.

    kafka-python's own drops the socket of a connection that is being made (3.0.12; in one of a
    hundred consumers that were closed at once): a ResourceWarning, an error under `-W error`.
    """
    from kafka.net.selector import NetworkSelector

    class Selector(NetworkSelector):  # type: ignore[misc]  # the library is not typed
        def __init__(self, **configs: Any) -> None:
            super().__init__(**configs)
            self._sockets: set[socket.socket] = set()

        def wait_write(self, fileobj: socket.socket, timeout_at: float | None = None) -> Any:
            self._sockets = {fileobj, *(each for each in self._sockets if each.fileno() >= 0)}
            return super().wait_write(fileobj, timeout_at)

        def close(self) -> None:
            super().close()
            for each in self._sockets:
                each.close()

    return Selector(**configs)


def _import() -> None:
    import importlib.resources as resources

    original = resources.read_text
    resources.read_text = _read_text  # type: ignore[assignment]  # called with two names
    try:
        import kafka.admin  # noqa: F401
    finally:
        resources.read_text = original


def _read_text(package: str, name: str) -> str:
    from importlib.resources import files

    return files(package).joinpath(name).read_text(encoding="utf-8")
