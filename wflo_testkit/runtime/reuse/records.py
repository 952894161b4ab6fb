"""What is written down of each server that is kept: enough to attach without asking around."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wflo_testkit.model import Json, Server, Spec
from wflo_testkit.plain_data import read
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import clock

LAYOUT = 2
"""Raised when runs of an older kit can no longer share a server with this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One kept server. Never to be trusted without a look at the container.

    key: see `key_of`. server: the Server as JSON, its password included. project: which folder's
    tests started it. daemon: the address of the daemon. image_id: content id of its image.
    started_at: when Docker started the container; a later start means that its data is gone.
    made: seconds since the epoch. max_idle: seconds without use after which it goes.
    used: when it was last used, seconds since the epoch; kept as the file's time.
    """

    key: str
    name: str
    project: str
    daemon: str
    server: Mapping[str, Json] = field(repr=False)
    image_id: str
    started_at: str
    made: float
    max_idle: float
    layout: int = LAYOUT
    used: float = 0.0

    @property
    def container_id(self) -> str:
        """The id of the server's container."""
        return str(self.server["container_id"])

    @property
    def is_idle(self) -> bool:
        """Whether it has been unused for longer than it may be."""
        return clock.wall() - self.used > self.max_idle


class Records:
    """The records of one home, a file each: `<key>.json`."""

    def __init__(self, home: UserFolder) -> None:
        self._home = home

    def read(self, key: str) -> Record | None:
        """Return the record of `key`; None when there is none that can be understood.

        Raises OSError when that cannot be told.
        """
        return self._read(self._path(key))

    def write(self, record: Record) -> None:
        """Put `record` in place of whatever was written for its key. Raises OSError.

        One that was read before keeps the time of its last use.
        """
        values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
        del values["used"]
        with self._home.lock():
            self._home.write(f"{record.key}.json", json.dumps(values, indent=1))
            if record.used:
                os.utime(self._path(record.key), (record.used, record.used))

    def touch(self, key: str) -> None:
        """Note that the server of `key` is used now."""
        with contextlib.suppress(OSError):
            os.utime(self._path(key))

    def forget(self, record: Record) -> None:
        """Delete `record` unless another container has taken its place. Hold the home's lock."""
        found = self.read(record.key)
        if found is None or found.container_id == record.container_id:
            self._path(record.key).unlink(missing_ok=True)

    def drop(self, key: str) -> None:
        """Delete whatever is written under `key`. Hold the home's lock."""
        self._path(key).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[Record]:
        """Yield those that can be read. Raises OSError when nothing can be told."""
        for path in self._home.files("*.json"):
            record = None
            with contextlib.suppress(OSError):
                record = self._read(path)
            if record is not None:
                yield record

    def _path(self, key: str) -> Path:
        return self._home.folder / f"{key}.json"

    def _read(self, path: Path) -> Record | None:
        text = self._home.read(path)
        if text is None:
            return None
        try:
            record = read(Record, {**json.loads(text), "used": self._home.touched(path)})
            # What a service adds to it is for who knows the service.
            known = {f.name for f in dataclasses.fields(Server)}
            server = read(Server, {k: v for k, v in record.server.items() if k in known})
        except (FileNotFoundError, ValueError, TypeError):
            return None
        is_sound = record.layout == LAYOUT and record.key == path.stem and server.container_id
        return record if is_sound else None


def key_of(spec: Spec, home: UserFolder, *, daemon: str, host: str, policy: str) -> str:
    """Return what a server is found by: equal when `spec` and all that it runs on are equal.

    daemon: its address. host: where its ports are reached. policy: which images serve.
    """
    wanted = spec.to_json()
    del wanted["startup_timeout"]  # how long somebody would wait is no part of what runs
    facts = [LAYOUT, wanted, home.label, daemon, host, policy]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def project_of(folder: Path) -> str:
    """Return a short name of a project's folder, for labels and records."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:12]
