"""Work in a thread of its own, where no event loop runs that the work could disturb."""

from __future__ import annotations

import threading
from collections.abc import Callable


def in_thread(work: Callable[[], object]) -> None:
    """Do `work` in a new thread and wait for its end. Raises what it raises."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="wflo-schema")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
