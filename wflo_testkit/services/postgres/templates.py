"""One template database per schema, made once per run by whoever asks first."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Build
from wflo_testkit.services.postgres.address import Address
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.wait import Deadline

PATIENCE = 600.0
"""Seconds that an asker waits while another process applies the schema."""


@dataclass(slots=True)
class Template:
    """A template on its way: `ready` is set last, once nobody can connect to it any more."""

    database: str
    ready: bool = False


class Templates:
    """Templates by schema fingerprint. Safe to use from several threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed = threading.Condition()
        self._known: dict[str, Template] = {}

    def get(self, fingerprint: str) -> str | Build:
        """Return the template's name, or a Build for the one asker who has to make it.

        Blocks while another one makes it. If that one fails or dies, the next in line gets the
        Build. Raises IsolationFailed after PATIENCE.
        """
        if not fingerprint:
            return "template1"
        deadline = Deadline(PATIENCE)
        with self._changed:
            while (template := self._known.get(fingerprint)) is not None:
                if template.ready:
                    return template.database
                if not self._changed.wait(deadline.left):
                    raise _never_ready()
            template = Template(self._cluster.names.template(fingerprint))
            self._known[fingerprint] = template
        return self._begin(fingerprint, template)

    def built(self, fingerprint: str, error: str | None) -> None:
        """End a Build: seal the template, or drop what there is of it, and wake the others."""
        with self._changed:
            template = self._known.get(fingerprint)
        if template is None or template.ready:
            return
        try:
            if error is None:
                self._cluster.seal(template.database)
                template.ready = True
        finally:
            self._end(fingerprint, template)

    def _begin(self, fingerprint: str, template: Template) -> Build:
        try:
            self._cluster.create(template.database)
        except BaseException:
            self._end(fingerprint, template)
            raise
        account = self._cluster.account()
        server = self._cluster.server
        address = Address(
            host=server.host,
            port=server.port,
            user=account.user,
            password=account.password,
            database=template.database,
            parameters=server.options.get("parameters", {}),
        )
        return Build(token=fingerprint, data={"url": address.url()})

    def _end(self, fingerprint: str, template: Template) -> None:
        try:
            if not template.ready:
                self._cluster.drop(template.database)
        finally:
            with self._changed:
                if not template.ready:
                    del self._known[fingerprint]
                self._changed.notify_all()


def _never_ready() -> IsolationFailed:
    return IsolationFailed(
        f"the database schema was not ready after {PATIENCE:g} s",
        cause="another test process is still applying it",
        fix="look for a migration that waits for a lock or for input",
    )
