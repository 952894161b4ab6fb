"""A lock on a file or a folder, which the kernel takes back from whoever dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held(descriptor: int) -> Iterator[None]:
    """Keep every other process out while inside, by flock(2); for moments only.

    descriptor: of what is locked; closed at the end. Raises OSError.
    """
    import fcntl  # not on Windows, where the command line looks at homes, too

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Not only closed: a child forked meanwhile holds the same lock (flock(2)).
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
