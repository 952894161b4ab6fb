"""What to do about an error of Postgres, as far as it tells what has happened."""

from __future__ import annotations

import re

from wflo_testkit.services.postgres.server import PostgresServer

_OF_ACCOUNT = re.compile(
    r"password authentication failed"
    r'|FATAL: +role "[^"]*" (?:does not exist|is not permitted to log in)'
)
"""Of who cannot connect: without FATAL it is a statement's, about another role."""
_SAID = (
    (r"too many clients|connection slots", "raise postgres_max_connections, or close connections"),
    (r"No space left|disk full", "its disk is full; on the kit's server that is the memory"),
    (r"out of memory", "give Docker more memory, or let fewer tests run at once"),
    (r"is being accessed by other users", "close the connections of the test that has it"),
    (r"permission denied|must be owner", "grant the account what the cause names"),
    (r"in recovery mode|starting up", "it has crashed and is coming back: see its log for why"),
    (r"shutting down|refused|No such file", "look whether it still runs: a test may have ended it"),
    (r'database "[^"]*" does not exist', "look who has dropped that database"),
    (r'role "[^"]*" does not exist', "look who has dropped or renamed that role"),
)
"""In English, as the kit's own server speaks (PostgreSQL manual, lc_messages)."""


def remedy(error: Exception, server: PostgresServer) -> str:
    """Return what to do about an error that the kit's own sessions have met."""
    text = str(error)
    if _OF_ACCOUNT.search(text):
        return _of_account(server)
    known = (fix for pattern, fix in _SAID if re.search(pattern, text))
    return next(known, "see the server's log: it has the statement")


def _of_account(server: PostgresServer) -> str:
    if server.is_external:
        return "correct the account and the password in postgres_url"
    return (
        f"leave the role {server.user!r} as it is: it is the kit's, and somebody has renamed it or "
        "changed its password"
    )
