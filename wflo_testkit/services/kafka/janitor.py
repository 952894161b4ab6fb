"""Deletes what ended tests have left on the cluster, in the background and in batches."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from wflo_testkit.errors import TestkitError
from wflo_testkit.services.kafka import groups
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.services.kafka.names import MADE

BATCH = 32
"""Ended leases that are cleaned up together; deleting is not urgent, since no name comes back."""


class Janitor:
    """Keeps the cluster small during long runs: topics cost the broker files and memory."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._changed = threading.Condition()
        self._stems: list[str] = []
        self._busy = False
        self._closed = False

    def ended(self, stem: str) -> None:
        """Note what one lease leaves: all names under `stem`."""
        with self._changed:
            self._stems.append(stem)
            if len(self._stems) < BATCH or self._busy or self._closed:
                return
            self._busy = True
        threading.Thread(target=self._clean, name="wflo-janitor", daemon=True).start()

    def sweep(self, run: str, *, but: tuple[str, ...] = ()) -> None:
        """Delete every topic and group of `run`, now, but those that begin with one of `but`.

        Raises IsolationFailed.
        """
        self._delete(lambda name: MADE.is_of(run, name) and not name.startswith(but))

    def close(self) -> None:
        """Begin nothing new; wait for what is under way."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._busy, timeout=20)

    def _clean(self) -> None:
        with self._changed:
            stems, self._stems = tuple(self._stems), []
        try:
            # Nobody waits for this, and what could not be deleted is in nobody's way.
            with contextlib.suppress(TestkitError):
                self._delete(lambda name: name.startswith(stems))
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _delete(self, is_ours: Callable[[str], bool]) -> None:
        self._admin.delete(filter(is_ours, self._admin.topics()))
        groups.delete(
            self._admin, [each["group_id"] for each in groups.those(self._admin, is_ours)]
        )
