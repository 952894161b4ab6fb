"""A process in which migrations run as the command `alembic` would run them.

It is asked by lines of JSON and answers each with one. Whatever env.py prints goes where errors go.
It ends with its asker: when stdin does.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.schema.alembic.answer import Answer
from wflo_testkit.services.postgres.schema.alembic.source import Source
from wflo_testkit.services.postgres.schema.alembic.upgrade import upgrade


def main() -> None:
    """Serve until stdin ends."""
    requests: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        while True:
            answer = _answer(json.loads(requests.get()))
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _read(requests: SimpleQueue[str]) -> None:
    """End the process, whatever it does, once nobody is there to hear of it."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Apply the migrations; tell what went wrong, what was refused and what was read.

    Nothing of Alembic, SQLAlchemy or the project is imported before it is watched.
    """
    from wflo_testkit.services.postgres.schema.guard import Guard
    from wflo_testkit.services.postgres.schema.manifest import ANOTHER_DATABASE, Recorder

    url, root = request["url"], Path(request["root"])
    os.environ.clear()
    os.environ.update(request["environ"])
    guard = Guard(url, connects_to=request["connects_to"], root=root, whole_process=True)
    recorder = Recorder(
        whole_process=True, own_variables=request["own_variables"], database=parse(url).server
    )
    with recorder if request["records"] else nullcontext(), guard:
        answer = Answer.of(lambda: upgrade(Source(**request["source"]), url))
    if guard.has_left:
        recorder.cannot_keep(ANOTHER_DATABASE)
    refused = [each.told() for each in guard.refused]
    manifest = recorder.manifest().to_json() if request["records"] else None
    return dataclasses.asdict(answer) | {"refused": refused, "manifest": manifest}
