"""The key of a schema whose content only shows while it is applied."""

from __future__ import annotations

import functools
import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflo_testkit.services.postgres.schema.manifest import Manifest, Manifests


class Keys:
    """One run's keys by the identity of the schema: where it stands and what it is.

    A kept manifest that is still true gives the key that was kept with it, so that an earlier
    run's template is found. Else the key is this run's, and every process of the run comes to the
    same one, as long as it sees the same inputs.

    run: the run's id. folder: where manifests are kept; None for nowhere. Safe to use from several
    threads.
    """

    def __init__(self, run: str, folder: Path | None) -> None:
        self._run = run
        self._folder = folder
        self._lock = threading.RLock()
        self._known: dict[str, tuple[str, bool]] = {}
        self._recorded: set[str] = set()

    def key(self, identity: str) -> str:
        """Return the key of a schema; found out once in each process."""
        return self._find(identity)[0]

    def lasts(self, identity: str) -> bool:
        """Whether a later run may have what is made under the key.

        Not where the last manifest could not be complete, and nothing that it names has changed.
        """
        return self._find(identity)[1]

    def record(self, identity: str, manifest: Manifest) -> None:
        """Keep what was read while the schema was applied that has the key of `identity`."""
        with self._lock:
            key = self.key(identity)
            self._known[identity] = key, not manifest.incomplete
            self._recorded.add(identity)
            self._manifests.keep(identity, key, manifest)

    def has_recorded(self, identity: str) -> bool:
        """Whether this process has recorded it: to do so in each test would take too long."""
        with self._lock:
            return identity in self._recorded

    def _find(self, identity: str) -> tuple[str, bool]:
        with self._lock:
            if identity not in self._known:
                self._known[identity] = self._ask(identity)
            return self._known[identity]

    def _ask(self, identity: str) -> tuple[str, bool]:
        found = self._manifests.find(identity)
        if found is None:
            return self._of_this_run(identity, "none"), self._folder is not None
        key, manifest = found
        if manifest.is_current():
            return key, True
        lasts = not (manifest.incomplete and manifest.is_unchanged())
        return self._of_this_run(identity, manifest.digest()), lasts

    def _of_this_run(self, identity: str, digest: str) -> str:
        return hashlib.sha256(f"{identity}\0{self._run}\0{digest}".encode()).hexdigest()

    @functools.cached_property
    def _manifests(self) -> Manifests:
        from wflo_testkit.services.postgres.schema.manifest import Manifests

        return Manifests(self._folder)


@functools.cache
def keys_of(run: str, records: Path | None) -> Keys:
    """Return the keys of a run; one object for a process. records: see TestContext."""
    return Keys(run, records and records / "schemas")
