"""The process in which migrations run, from its asker's side."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from wflo_testkit.services.postgres.schema.alembic.answer import Answer
from wflo_testkit.wait import Deadline

LIMIT = 600.0
"""Seconds that migrations may take: as long as others wait for the template."""

_LINES = 20
# The path of this process, by value: what pytest has put there is to be found, too.
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    f" from {__package__}.child import main; main()"
)

_lock = threading.Lock()
_asked: set[str] = set()
_kept: dict[tuple[int, str], MigratingProcess] = {}


class ProcessEnded(Exception):
    """It ended, or was ended, before it answered; the text says how."""


def ask(identity: str, request: Mapping[str, Any]) -> Answer:
    """Have a process apply the migrations of the schema `identity`. request: see child.

    It ends with its first answer. What is asked for again, in a mode that applies the schema for
    each test, gets one that stays: 0.09 instead of 0.5 s (measured; the rest are its imports).
    """
    with _lock:
        process = _kept.pop((os.getpid(), identity), None) or MigratingProcess()
        try:
            return Answer(**process.ask(request))
        except ProcessEnded as error:
            return Answer(error=f"{error}; the last that it printed:\n{process.output()}")
        finally:
            if process.is_idle and identity in _asked:  # able to answer, likely to be asked again
                _kept[os.getpid(), identity] = process
            else:
                process.close()
            _asked.add(identity)


@atexit.register
def _close() -> None:
    """Not those of a process that has forked this one."""
    for (pid, _identity), process in _kept.items():
        if pid == os.getpid():
            process.close()


class MigratingProcess:
    """Where migrations run; see child. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - see close
        path = json.dumps([str(Path(each).absolute()) for each in sys.path])
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            env={**os.environ},  # else with what C code has put there
        )
        self.is_idle = True

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout, self._output):
            assert stream is not None
            stream.close()
        self._process.wait()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to one request. Raises ProcessEnded."""
        self.is_idle = False
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the answer will not come either
            self._process.stdin.write(json.dumps(dict(request)).encode() + b"\n")
            self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._line())
        self.is_idle = True
        return answer

    def output(self) -> str:
        """Return the last lines that it has printed."""
        # Where the process writes next is the same place as where this one would read.
        text = os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0)
        return "\n".join(text.decode(errors="replace").splitlines()[-_LINES:])

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        deadline, line = Deadline(LIMIT), b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(deadline.left):
                    raise ProcessEnded(f"they took longer than {LIMIT:g} s")
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    raise ProcessEnded(f"their process ended with {self._process.wait()}")
                line += piece
        return line
