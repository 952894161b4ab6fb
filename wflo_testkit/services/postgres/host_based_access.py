"""Whom the server lets in by its Unix socket: tests by their password only, as by its port.

The images trust whoever comes by the socket (official image, initdb's default): that is how people
get in with `docker exec`. A test's connections are to end with the test all the same, however they
come: their account is changed between two tests.
"""

from __future__ import annotations

from wflo_testkit.services.postgres.accounts import literal, quoted
from wflo_testkit.services.postgres.admin import Admin

RULE = "local all /^wflo_ scram-sha-256"
"""For each role that the kit makes (PostgreSQL manual, The pg_hba.conf File: patterns since 16)."""
SINCE = 160000

_CONTRADICTED = """SELECT name, quote_literal(s.setting) FROM pg_file_settings f
    JOIN pg_settings s USING (name)
    WHERE f.error IS NOT NULL AND s.context = 'postmaster' AND s.vartype <> 'string'"""


def ask_for_passwords(admin: Admin) -> None:
    """Put RULE before the server's other rules, the first of which decides.

    Only the superuser of a server that no other run uses meanwhile may do this: the file is
    written in place. Raises psycopg.Error.
    """
    [(path, text)] = admin.rows(
        "SELECT setting, pg_read_file(setting) FROM pg_settings WHERE name = 'hba_file'"
    )
    rules = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if RULE in rules:
        return
    lines = ", ".join(f"({literal(line)})" for line in (RULE, *rules))
    # COPY writes tabs and backslashes as escapes; rules need neither.
    admin.rows(f"COPY (VALUES {lines}) TO {literal(path)}".replace("\t", " "))
    _agree_with_command_line(admin)
    admin.rows("SELECT pg_reload_conf()")


def _agree_with_command_line(admin: Admin) -> None:
    """Let the server's files say what its command line does, about what only a start can change.

    Else a reload logs each difference ("cannot be changed without restarting the server"), though
    the command line goes first: initdb writes a max_connections, for one. Not about texts: a list
    would have to be quoted word by word.
    """
    for name, value in admin.rows(_CONTRADICTED):
        admin.rows(f"ALTER SYSTEM SET {quoted(name)} = {value}")
