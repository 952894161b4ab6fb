"""Which run has which logical databases of a server that several runs use at once.

A claim is a key `wflo:claim:<number>` that holds the run's id, in the server's last database: no
test's user may select that one, while database 0 is open to each of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from wflo_testkit.services.redis.admin import Admin

BATCH = 16
"""Numbers claimed at once, so that a hand-out costs no further round trip."""

_KEY = "wflo:claim:"
_TAKE = f"""local got = {{}}
for number = 1, tonumber(ARGV[2]) do
    if #got == tonumber(ARGV[3]) then break end
    if redis.call('SET', '{_KEY}' .. number, ARGV[1], 'NX') then got[#got + 1] = number end
end
return got"""
_OF_RUNS = f"""local got = {{}}
for number = 1, tonumber(ARGV[1]) do
    local run = redis.call('GET', '{_KEY}' .. number)
    for other = 2, #ARGV do
        if run == ARGV[other] then got[#got + 1] = number end
    end
end
return got"""


class Claims:
    """The claims of one run. count: logical databases of the server."""

    def __init__(self, admin: Admin, run: str, count: int) -> None:
        self._admin = admin
        self._run = run
        self._home = count - 1
        self.last = count - 2

    def take(self) -> list[int]:
        """Claim numbers that no run has, and return them; none when all are claimed.

        A small server is shared out in small portions.
        """
        portion = max(1, min(BATCH, self.last // 16))
        return self._ask(_TAKE, self._run, self.last, portion)

    def of(self, runs: Collection[str]) -> list[int]:
        """Return the numbers that any of `runs` has claimed."""
        return self._ask(_OF_RUNS, self.last, *runs)

    def give_back(self, numbers: Iterable[int]) -> None:
        """End claims of this run, or of one that is over, on numbers that are flushed."""
        if keys := [f"{_KEY}{number}" for number in numbers]:
            self._admin.run(("SELECT", self._home), ("DEL", *keys))

    def _ask(self, script: str, *arguments: str | int) -> list[int]:
        answers = self._admin.run(("SELECT", self._home), ("EVAL", script, 0, *arguments))
        return list(answers[1])
