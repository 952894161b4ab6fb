"""Names that only one test uses, for whatever the kit has no lease of: a bucket, a queue, an index.

Lower-case letters and digits that begin with a letter, at most 63 of them: what object stores,
message brokers, search engines and databases all take for a name.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from wflo_testkit.runtime import processes

if TYPE_CHECKING:
    from wflo_testkit.plugin.process import PytestProcess

LONGEST = 63
"""Characters: of a bucket (S3 guide, Bucket naming rules), and of a database's identifier."""
_LONGEST_PROCESS = 12
"""Characters of a worker's name in what it makes."""


class Names:
    """Those of one process of the run. A forked child's are other ones than its parent's."""

    def __init__(self, process: PytestProcess) -> None:
        self._process = process
        self._pid = processes.own_pid()
        self._numbers = itertools.count(1)

    def make(self, word: str) -> str:
        """Return a name that begins with what is left of `word`, and was never given out before.

        What follows tells names apart from the right: a number, which has no `x`; the process,
        and the run's id, of which there is one.
        """
        process = _plain(self._process.name)[:_LONGEST_PROCESS]
        if (pid := processes.own_pid()) != self._pid:
            process += f"p{pid}"
        end = f"{self._process.run}{process}x{next(self._numbers)}"
        return _stem(word)[: LONGEST - len(end)] + end


def _stem(word: str) -> str:
    """Return the letters and digits of a word; a letter comes first."""
    plain = _plain(word)
    return plain if plain[:1].isalpha() else f"n{plain}"


def _plain(word: str) -> str:
    return re.sub("[^a-z0-9]", "", word.lower())
