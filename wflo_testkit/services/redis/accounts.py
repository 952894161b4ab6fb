"""What a test's own Redis user may do, in Redis' access rules."""

from __future__ import annotations

from wflo_testkit.services.redis.admin import Command

_GLOB = "\\*?[]^"
"""What has a meaning in Redis' patterns (util.c, stringmatchlen)."""

_SELECTING = ("-select", "-move", "-swapdb")
_FOR_EVERYBODY = ("-flushall", "-shutdown", "-replicaof", "-slaveof", "-failover")

# @dangerous holds FLUSHALL, FLUSHDB, KEYS, CONFIG and the like. What is left and reaches beyond
# the prefix: names of keys (SCAN, RANDOMKEY, DBSIZE, TRACKING in broadcasting mode) and channels
# (PUBSUB), copies into other databases, functions and the scripts' cache.
_BEYOND_THE_PREFIX = (
    *("-@admin", "-@dangerous", "+info"),
    *("-scan", "-randomkey", "-dbsize", "-client|tracking", "-pubsub"),
    *("-copy", "-function", "-script|flush", "-script|kill"),
)


def rules_of_database(number: int, *, everything: bool) -> tuple[str, ...]:
    """Return the rules for one logical database: no way to another one.

    A connection begins in database 0; SELECT is allowed with `number` only.
    everything: for a server that nobody else uses.
    """
    if everything:
        return ("~*", "&*", "+@all")
    return ("~*", "&*", "+@all", *_FOR_EVERYBODY, *_SELECTING, f"+select|{number}")


def rules_of_prefix(prefix: str, number: int) -> tuple[str, ...]:
    """Return the rules for the keys and channels that begin with `prefix`, and nothing else."""
    pattern = glob_quoted(prefix)
    return (
        *(f"~{pattern}*", "resetchannels", f"&{pattern}*"),
        *("+@all", *_BEYOND_THE_PREFIX, *_SELECTING, f"+select|{number}"),
    )


def make_user(name: str, password: str, rules: tuple[str, ...]) -> Command:
    """Make the user, or give it these rules and password alone."""
    return ("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)


def end_user(name: str) -> Command:
    """Delete the user; Redis closes its connections at once, and lets none in again."""
    return ("ACL", "DELUSER", name)


def glob_quoted(text: str) -> str:
    """Return a pattern that matches exactly `text`."""
    return "".join(f"\\{letter}" if letter in _GLOB else letter for letter in text)
