"""What a test's own Redis user may do, in Redis' access rules."""

from __future__ import annotations

from dataclasses import dataclass

from wflo_testkit.services.redis.admin import Command

_GLOB = "\\*?[]^"
"""What has a meaning in Redis' patterns (util.c, stringmatchlen)."""

_SELECTING = ("-select", "-move", "-swapdb")
_FOR_EVERYBODY = ("-flushall", "-shutdown", "-replicaof", "-slaveof", "-failover")
_ACCOUNTS = ("-acl", "+acl|whoami", "+acl|genpass", "+acl|cat", "+acl|dryrun")

# What is left of CLIENT where Redis cannot deny a subcommand, so that all of them are named.
_CLIENT_OF_6 = (
    *("caching", "getname", "getredir", "help", "id", "info", "list", "reply", "setname"),
    *("tracking", "trackinginfo", "unpause"),
)

# @dangerous holds FLUSHALL, FLUSHDB, KEYS, CONFIG and the like. What is left and reaches beyond
# the prefix: names of keys (SCAN, RANDOMKEY, DBSIZE, TRACKING in broadcasting mode) and channels
# (PUBSUB), copies into other databases, functions and the scripts' cache.
_BEYOND_THE_PREFIX = (
    *("-@admin", "-@dangerous", "+info"),
    *("-scan", "-randomkey", "-dbsize", "-client|tracking", "-pubsub"),
    *("-copy", "-function", "-script|flush", "-script|kill"),
)

# A client may log in and read. Nothing that waits for others: a loop of a test that has failed
# would go on waiting, and its thread would keep the process from ending.
_READING = (
    *("resetchannels", "-@all", "+@read", "+@connection", "+info", "+command"),
    *("-@admin", "-@blocking", *_SELECTING),
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the rules of one server can express.

    clients: denies CLIENT KILL, PAUSE and UNBLOCK, which reach everybody's connections.
    databases: whether an account can be kept to logical databases, COPY ... DB included.
    """

    clients: tuple[str, ...]
    databases: bool = False

    def for_everybody(self, number: int) -> tuple[str, ...]:
        """Return the rules that deny what other tests would feel.

        CONFIG SET requirepass is not among them: no server tells one parameter of CONFIG SET from
        another. It does no harm, since the account whose password it is may do nothing.
        """
        own = (f"db=0,{number}",) if self.databases else ()
        return (*_FOR_EVERYBODY, *_ACCOUNTS, *self.clients, *own)


_SINCE_7 = ("-client|kill", "-client|pause", "-client|unblock")
DIALECTS = (
    Dialect(_SINCE_7, databases=True),  # Valkey 9.1
    Dialect(_SINCE_7),
    Dialect(("-client", *(f"+client|{word}" for word in _CLIENT_OF_6))),
)
"""Strictest first."""


EVERYTHING = ("~*", "&*", "+@all")
"""The rules for a server that nobody else uses."""


def rules_of_database(number: int, dialect: Dialect) -> tuple[str, ...]:
    """Return the rules for one logical database: no way to another one.

    A connection begins in database 0; SELECT is allowed with `number` only.
    """
    denied = dialect.for_everybody(number)
    return (*EVERYTHING, *denied, *_SELECTING, f"+select|{number}")


def rules_of_prefix(prefix: str, number: int) -> tuple[str, ...]:
    """Return the rules for the keys and channels that begin with `prefix`, and nothing else."""
    pattern = glob_quoted(prefix)
    return (
        *(f"~{pattern}*", "resetchannels", f"&{pattern}*"),
        *("+@all", *_BEYOND_THE_PREFIX, *_SELECTING, f"+select|{number}"),
    )


def rules_of_reading(number: int, prefix: str = "") -> tuple[str, ...]:
    """Return the rules for whoever looks at what a failed test has left: it is not changed."""
    beyond = _BEYOND_THE_PREFIX if prefix else ()
    return (f"~{glob_quoted(prefix)}*", *_READING, *beyond, f"+select|{number}")


def make_user(name: str, password: str, rules: tuple[str, ...]) -> Command:
    """Make the user, or give it these rules and password alone."""
    return ("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)


def end_user(name: str) -> Command:
    """Delete the user; Redis closes its connections at once, and lets none in again."""
    return ("ACL", "DELUSER", name)


def glob_quoted(text: str) -> str:
    """Return a pattern that matches exactly `text`."""
    return "".join(f"\\{letter}" if letter in _GLOB else letter for letter in text)
