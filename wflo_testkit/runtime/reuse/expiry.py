"""What nobody has used for long, or has been replaced, goes with the next run of any project."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.reuse.records import Record

_DRAFTS = ".draft-*"


def remove_idle(
    kept_servers: KeptServers, wanted: Collection[tuple[str, str]] = ()
) -> list[Record]:
    """Remove idle and replaced servers that no living run uses; return their records.

    wanted: (server name, key) of what this run uses: another key of the same name and project is
    an older spec. Half-made servers of dead processes go, too. Whatever resists is left to the
    next run.
    """
    gone = []
    for record in kept_servers.records:
        if record.daemon == kept_servers.engine.address and _is_over(kept_servers, record, wanted):
            with contextlib.suppress(OSError):
                if kept_servers.retire(record):
                    gone.append(record)
    with contextlib.suppress(OSError):
        _remove_half_made(kept_servers)
        _drop_pointless_marks(kept_servers)
    with contextlib.suppress(OSError):
        _remove_drafts(kept_servers)
    return gone


def _remove_half_made(kept_servers: KeptServers) -> None:
    """Remove containers whose maker died before it could write them down.

    Not one that a run uses: an older kit's record is none that this one understands.
    """
    for found in kept_servers.engine.containers(f"{labels.HOME}={kept_servers.home.label}"):
        key = found["Labels"].get(labels.REUSE, "")
        if not key or not labels.owner_is_dead(found["Labels"].get(labels.OWNER, "")):
            continue
        record = kept_servers.records.read(key)  # after the look at its owner, who writes it last
        is_written = record is not None and record.container_id == found["Id"]
        if not is_written and not kept_servers.uses.living(key, container=found["Id"]):
            kept_servers.engine.remove(found["Id"])


def _drop_pointless_marks(kept_servers: KeptServers) -> None:
    """Drop marks of runs that are over on servers that nobody keeps any more."""
    for key in {path.name.split(".")[0] for path in kept_servers.home.files("*.use")}:
        if kept_servers.records.read(key) is None:
            for run in kept_servers.uses.over(key):
                kept_servers.uses.drop(key, run)


def _is_over(
    kept_servers: KeptServers, record: Record, wanted: Collection[tuple[str, str]]
) -> bool:
    if record.is_idle:
        return True
    keys = {key for name, key in wanted if name == record.name}
    return record.project == kept_servers.project and bool(keys) and record.key not in keys


def _remove_drafts(kept_servers: KeptServers) -> None:
    """Remove what killed writers have left: who writes holds the lock, and now this process does.

    Not left for later: the draft of a record may hold a password.
    """
    if not kept_servers.home.files(_DRAFTS):
        return
    with kept_servers.home.lock():
        for path in kept_servers.home.files(_DRAFTS):
            path.unlink(missing_ok=True)
