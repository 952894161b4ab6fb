"""One test's private view of a Temporal server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wflo_testkit.reset import Reset

if TYPE_CHECKING:
    from temporalio.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalNamespace:
    """A namespace that no other test uses.

    address: host:port; internal_address: the same for a container on the kit's network.
    tag: part of every name that `task_queue` and `workflow_id` make. resets: see `reset`.
    """

    address: str
    name: str
    tag: str
    tell: Callable[[], None] = field(repr=False, compare=False)
    internal_address: str = ""
    ui_url: str = ""
    resets: Reset = field(default_factory=Reset, repr=False, compare=False)

    def reset(self) -> None:
        """Empty the namespace: no workflow, no history, no schedule; workers go on.

        What ran is terminated, and warned about, as schedules are. Raises IsolationFailed, also
        where tests share a namespace: there nobody can tell whose a schedule is.
        """
        self.resets()

    @property
    def namespace(self) -> str:
        """The namespace's name. Once it is known something may run there, and is looked for."""
        self.tell()
        return self.name

    def task_queue(self, base: str = "default") -> str:
        """Return the name of this test's task queue `base`: the same for the same base."""
        self.tell()
        return f"{self.tag}-{base}"

    def workflow_id(self, base: str) -> str:
        """Return an id that no other test uses. In a namespace of its own any id will do."""
        self.tell()
        return f"{self.tag}-{base}"

    async def connect(self, **options: Any) -> Client:
        """Return a new client. options: those of temporalio.client.Client.connect."""
        from temporalio.client import Client

        from wflo_testkit.services.temporal.connection import await_before_exit

        await_before_exit()
        return await Client.connect(self.address, **({"namespace": self.namespace} | options))

    @property
    def internal_url(self) -> str:
        return self.internal_address

    @property
    def kept_command(self) -> str:
        """Command that shows what ran here."""
        return f"temporal workflow list --address {self.address} --namespace {self.name}"

    def env(self) -> dict[str, str]:
        """Return the variables that Temporal's clients and command line read."""
        return {"TEMPORAL_ADDRESS": self.address, "TEMPORAL_NAMESPACE": self.namespace}

    def internal_env(self) -> dict[str, str]:
        """Return the variables for a container on the kit's network."""
        return self.env() | {"TEMPORAL_ADDRESS": self.internal_address}
