"""Number 0 of the kit's server, where a client lands that names none.

No rule of Redis keeps an account out of it, since every connection begins there. So it is looked
at when a test ends, and emptied if the test, or one at the same time, has written to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from wflo_testkit.services.redis.admin import Admin

SHOWN = 3
"""Keys that are named."""


def empty(admin: Admin, own: bytes) -> list[bytes]:
    """Delete what does not belong there and return its keys.

    own: what begins the keys that do belong there, those of isolation `prefix`.
    """
    found: list[bytes] = []
    for page in admin.pages("*"):
        if strays := [key for key in page if not key.startswith(own)]:
            admin.run(("UNLINK", *strays))
            found += strays
    return found


def sentence(keys: Sequence[bytes], others: Sequence[str]) -> str:
    """Say what was found; others: who may have written it besides the test that has ended."""
    names = [repr(key.decode(errors="replace")) for key in keys[:SHOWN]]
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    whose = f", unless it was {' or '.join(others)} at the same time" if others else ""
    return (
        f"wrote {', '.join(names)}{more} to database 0, where a client without db= lands, "
        f"not to its own{whose}; emptied"
    )
