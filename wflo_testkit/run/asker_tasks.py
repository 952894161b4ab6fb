"""What this process does for servers that it asks for: the other side of broker/tasks.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Build, Server
from wflo_testkit.run.importing import imported
from wflo_testkit.runtime import objects
from wflo_testkit.wait import wait_until

if TYPE_CHECKING:
    from wflo_testkit.broker.api import BrokerApi

POLL = 0.05


class AskerTasks:
    """The callables of this process's servers, by what they do and the server's name."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Sequence[Callable[[Server], Any]]] = {}
        self._objects: dict[str, Any] = {}

    def learn(self, name: str, what: str, callables: Sequence[Callable[[Server], Any]]) -> None:
        """Note what is to be called for a server. what: a word of Spec.asked."""
        self._known[name, what] = callables

    def do(self, task: Build, broker: BrokerApi, server: Server, timeout: float) -> None:
        """Do one, and say so to the broker, which tells everybody what went wrong.

        timeout: seconds for a server to be ready. Ctrl-C passes.
        """
        what, made = task.data["what"], None
        try:
            if what == "object":
                made = objects.start(self.object(server), task.data["told"])
            elif what == "ready":
                for each in self._callables(server, what):
                    wait_until(
                        partial(each, server),
                        timeout=timeout,
                        poll=POLL,
                        describe=getattr(each, "__qualname__", repr(each)),
                        give_up=partial(server.do, "check"),
                    )
            else:
                for each in self._callables(server, what):
                    each(server)
        except BaseException as error:
            broker.built(task.token, _said(error))
            if not isinstance(error, Exception):
                raise
        else:
            broker.built(task.token, None, made)

    def object(self, server: Server) -> Any:
        """Return this process's Testcontainers object for a server; made when first asked for."""
        if server.name not in self._objects:
            self._objects[server.name] = _named(server, "object")()
        return self._objects[server.name]

    def learn_object(self, name: str, thing: Any) -> None:
        """Note the Testcontainers object of a server."""
        self._objects[name] = thing

    def attached(self, server: Server) -> Any:
        """Return this process's object for a server that runs, whoever has started it."""
        thing, own = self.object(server), server.options
        if objects.wrapped(thing) is None:
            objects.attach(thing, own["told"], server.container_id, own["state"])
        thing.wflo = server
        return thing

    def _callables(self, server: Server, what: str) -> Sequence[Callable[[Server], Any]]:
        if (known := self._known.get((server.name, what))) is not None:
            return known
        return [_named(server, what)]


def _named(server: Server, what: str) -> Any:
    path, name = str(server.options.get(what, "")), server.name
    table = f"table [tool.wflo-testkit.servers.{name}]"
    return imported(path, f"the {what} {path!r} of {name!r}", table)


def _said(error: BaseException) -> str:
    if isinstance(error, TestkitError):
        return error.text
    cause = error.__cause__
    said = f"{type(error).__name__}: {error}"
    return f"{said}\n{type(cause).__name__}: {cause}" if cause is not None else said
