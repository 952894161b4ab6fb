"""One template database per schema, made once per run by whoever asks first.

On a server that outlives the run it stays for later ones.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Build
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.wait import Deadline

SCHEMA_TIMEOUT = 600.0
"""Seconds that an asker waits while another process applies the schema."""


@dataclass(slots=True)
class Template:
    """A template on its way: `ready` is set last, once nobody can connect to it any more.

    lasts: whether another run may have it, too. inherited: it came with the server.
    asked: how often it was wanted.
    """

    database: str
    lasts: bool
    inherited: bool
    ready: bool
    asked: int = 0


class Templates:
    """Templates by schema fingerprint. Safe to use from several threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed = threading.Condition()
        self._known: dict[str, Template] = {}
        self._inherited: list[str] | None = None

    def inherit(self) -> list[str]:
        """Take over the templates that came with the server, at the first call; return all."""
        with self._changed:
            if self._inherited is None:
                self._inherited = self._cluster.adopt()
            return self._inherited

    def get(self, fingerprint: str, *, lasts: bool = False) -> str | Build:
        """Return the template's name, or a Build for the one asker who has to make it.

        lasts: whether equal fingerprints mean equal contents beyond this run, too.

        Blocks while another one makes it. If that one fails or dies, the next in line gets the
        Build. Raises IsolationFailed after SCHEMA_TIMEOUT.
        """
        if not fingerprint:
            return self._cluster.empty()
        deadline = Deadline(SCHEMA_TIMEOUT)
        with self._changed:
            while (template := self._known.get(fingerprint)) is not None and not template.ready:
                if not self._changed.wait(deadline.left):
                    raise IsolationFailed(
                        f"the database schema was not ready after {SCHEMA_TIMEOUT:g} s",
                        cause="another test process is still applying it",
                        fix="look for a migration that waits for a lock or for input",
                    )
            if template is None:
                template = self._known[fingerprint] = self._new(fingerprint, lasts)
            if template.ready:
                template.asked += 1
                return template.database
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
                if template.lasts:
                    template.database = self._cluster.keep_template(template.database, fingerprint)
                template.ready = True
        finally:
            self._end(fingerprint, template)

    def favourite(self) -> tuple[str, Template] | None:
        """Return the template that was asked for most often, and its fingerprint."""
        with self._changed:
            ready = [each for each in self._known.items() if each[1].ready]
        return max(ready, key=lambda each: each[1].asked, default=None)

    def _new(self, fingerprint: str, lasts: bool) -> Template:
        if lasts and (found := self._cluster.find_kept(fingerprint)):
            return Template(found, lasts=True, inherited=True, ready=True)
        database = self._cluster.names.template(fingerprint)
        came = lasts and database in self.inherit()
        return Template(database, lasts=lasts, inherited=came, ready=came)

    def _begin(self, fingerprint: str, template: Template) -> Build:
        try:
            self._cluster.create_template(template.database)
        except BaseException:
            self._end(fingerprint, template)
            raise
        account, name = self._cluster.account(template.database), template.database
        of_server = self._cluster.server.address
        address = replace(of_server, user=account.user, password=account.password, database=name)
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
