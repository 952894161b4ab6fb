"""Shows on the terminal what makes a start take long: the build or the pull of an image."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

MARK = " wflo_testkit.broker.progress INFO "
"""In the lines of the broker's log that are for people who wait."""
TERMINAL = "/dev/tty"
"""Of this process, whatever its output is captured by."""
POLL = 0.3


class Progress:
    """Follows the log of one broker until `stop`; does nothing where there is no terminal.

    For nobody who waits would be told otherwise: pytest keeps the output of a test's set-up.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="wflo-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show no more."""
        self._is_over.set()
        self._thread.join()

    def _follow(self) -> None:
        with (
            suppress(OSError),
            Path(TERMINAL).open("w") as terminal,
            self._log.open(errors="replace") as lines,
        ):
            while not self._is_over.wait(POLL):
                while line := lines.readline():
                    _before, mark, text = line.partition(MARK)
                    if mark:
                        terminal.write(f"\r\nwflo-testkit: {text.rstrip()}\r\n")
                terminal.flush()
