"""What is kept for reuse, as one run sees it: found, examined, taken, put back, removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.reuse.check import Finding, compare, image_of, is_made_for
from wflo_testkit.runtime.reuse.place import KeptPlace
from wflo_testkit.runtime.reuse.records import Record, Records, key_of
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.reuse.uses import Uses
from wflo_testkit.wait import clock


class KeptServers:
    """The kept servers of one home on one daemon. Safe to use from several threads.

    run: this run's id. project: see records.project_of. policy: which images serve.
    max_idle: seconds without use after which what this run uses may be removed.
    find: see DockerSession.
    """

    def __init__(
        self,
        run: str,
        project: str,
        max_idle: float,
        *,
        policy: str = "auto",
        find: Callable[[], Endpoint] | None = None,
    ) -> None:
        self.run = run
        self.project = project
        self.max_idle = max_idle
        self.home = UserFolder()
        self.records = Records(self.home)
        self.uses = Uses(self.home)
        # The connection over which servers are started; attaching never touches it.
        self.session = DockerSession(run, policy=policy, keep=True, find=find)

    @cached_property
    def engine(self) -> Engine:
        """What is asked of the daemon without Docker's library. Raises SettingError."""
        return Engine(self.session.endpoint)

    def key(self, spec: Spec) -> str:
        """Return what a server for `spec` is kept under."""
        where, policy = self.session.endpoint, self.session.policy
        return key_of(spec, self.home, daemon=where.url, host=where.host, policy=policy)

    def place(self, key: str, created: Callable[[str], object]) -> KeptPlace:
        """Return where the container for `key` goes. created: told its id at once."""
        return KeptPlace(self.home, key, self.session, self.engine, created)

    def find(self, key: str) -> Record | None:
        """Return the record of `key` if it is about this daemon."""
        record = self.records.read(key)
        if record is None or record.daemon != self.engine.address:
            return None
        return record if record.server["host"] == self.session.host else None

    def examine(self, record: Record) -> Finding:
        """Compare a record with its container, in one or two requests. Raises OSError."""
        found = self.engine.container(record.container_id)
        image = str(record.server["image"])
        return compare(record, found, image_id=self.engine.image_id(image) if found else "")

    def write_down(self, key: str, server: Server) -> None:
        """Write the record of a ready server, the last step of its start. Raises OSError."""
        found = self.engine.container(server.container_id)
        if found is None:
            raise ConnectionError("its container went away")
        self.uses.mark(key, self.run, server.container_id)
        record = Record(
            key=key,
            name=server.name,
            project=self.project,
            daemon=self.engine.address,
            server=server.to_json(),
            image_id=image_of(found),
            started_at=str(found["State"]["StartedAt"]),
            made=clock.wall(),
            max_idle=self.max_idle,
        )
        self.records.write(record)

    def attached(self, record: Record) -> None:
        """Note that this run uses what `record` describes. Raises OSError."""
        self.uses.mark(record.key, self.run, record.container_id)
        if record.max_idle != self.max_idle:
            self.records.write(replace(record, max_idle=self.max_idle))
        self.records.touch(record.key)

    def end_use(self, key: str, *, kept: bool) -> None:
        """End this run's use. kept: data of failed tests stays until another run comes by."""
        self.records.touch(key)
        self.uses.end(key, self.run, kept=kept)

    def retire(self, record: Record, *, sick: bool = False, force: bool = False) -> bool:
        """Remove a server with its record, unless a living run uses it. Raises OSError.

        sick: it cannot be used, so that only those count who were attached to it before this run.
        force: whoever uses it. Returns whether it is gone.
        """
        with self.home.lock():
            but, container = (self.run, record.container_id) if sick else ("", "")
            if not force and self.uses.living(record.key, but=but, container=container):
                return False
            # Without its record nobody can attach to it any more; then there is time to remove it.
            self.records.forget(record)
        try:
            found = self.engine.container(record.container_id)
            if found is not None and is_made_for(record.key, found):
                self.engine.remove(record.container_id)
        except OSError:
            self.records.write(record)  # so that another run can try again
            raise
        return True
