"""What the command line asks about kept servers and networks, by their labels."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from wflo_testkit.runtime import labels
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.reuse.records import Records
from wflo_testkit.runtime.reuse.user_folder import UserFolder, folder_of
from wflo_testkit.runtime.reuse.uses import Uses


def users(marks: Mapping[str, str]) -> list[str]:
    """Return the runs that are known to use a kept server, or any server on a kept network."""
    home = folder_of(marks[labels.HOME])
    try:
        return Uses(home).living(marks.get(labels.REUSE, "*")) if home else []
    except OSError:  # another user's folder
        return []


def hindrance(marks: Mapping[str, str]) -> str:
    """Say why what carries these labels should stay, "" if nothing speaks against its removal.

    Only the caller's own home is judged, and what is left of one whose folder is gone. What cannot
    be read stays.
    """
    home, key = folder_of(marks[labels.HOME]), marks.get(labels.REUSE, "")
    if home is None or (home.label != UserFolder().label and not home.is_gone):
        return f"it belongs to {marks[labels.HOME]}"
    try:
        using = Uses(home).living(key or "*")
        is_written = key and Records(home).read(key) is not None
    except OSError as error:
        return f"its record cannot be read: {error}"
    if using:
        return f"run {', '.join(using)} uses it"
    if not is_written and key and not labels.owner_is_dead(marks.get(labels.OWNER, "")):
        return "its maker may still be running"
    return ""


def let_go(marks: Mapping[str, str], *, force: bool = False) -> bool:
    """Forget a server that is about to be removed, so that no run finds it any more.

    False, and nothing is forgotten, when it should stay after all, unless `force`. Raises OSError.
    """
    home, key = folder_of(marks[labels.HOME]), marks.get(labels.REUSE, "")
    if home is None or not key or home.is_gone:
        return force or not hindrance(marks)
    uses = Uses(home)
    with home.lock():
        if not force and hindrance(marks):
            return False
        Records(home).drop(key)
        for run in uses.over(key):
            uses.drop(key, run)
    return True


def forget_the_gone(home: UserFolder, engine: Engine) -> list[str]:
    """Delete records on this daemon whose container is gone; return the servers' names."""
    gone = []
    with contextlib.suppress(OSError):
        for record in Records(home):
            if record.daemon == engine.address and not engine.container(record.container_id):
                with home.lock():
                    Records(home).forget(record)
                gone.append(record.name)
    return gone
