"""What to do about an error of Temporal, as far as it tells what has happened."""

from __future__ import annotations

_DENIED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED")


def remedy(error: BaseException | None, grant: str) -> str:
    """Return what to do about an error that the kit's own calls have met; None for no answer.

    grant: what to do where the server does not let the kit.
    """
    status = getattr(getattr(error, "status", None), "name", "")
    if status in _DENIED:
        return grant
    if status == "RESOURCE_EXHAUSTED":
        return f"raise the server's limit for such calls; else {grant}"
    if error is None or status in ("DEADLINE_EXCEEDED", "CANCELLED"):
        return "look what keeps the server from answering: a pause, a full memory, a busy machine"
    if status == "UNAVAILABLE" or isinstance(error, (RuntimeError, OSError)):
        return "look whether the server still runs: a test may have stopped it"
    return "see the server's log"
