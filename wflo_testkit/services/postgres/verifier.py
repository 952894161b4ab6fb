"""What Postgres stores in place of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac

FOR_TESTS = 4096
"""Iterations for an account that tests get: what Postgres takes by itself, and the fewest that
pg8000, pgjdbc up to 42.7.3, Go's lib/pq and bun accept (RFC 5802, section 5.1, asks for as many).
They cost each connect 1.4 ms, and 1.4 ms to make the verifier."""
FOR_THE_KIT = 1
"""Iterations for the kit's own account: a random password cannot be guessed."""


def verifier(password: str, iterations: int) -> str:
    """Return the SCRAM verifier of a random password; Postgres takes it wherever it takes one.

    The form is that of pg_authid.rolpassword (PostgreSQL manual, pg_authid), the keys are those
    of RFC 5802, section 3. The salt is derived from the password, which nobody else has.
    """
    salt = hashlib.sha256(b"salt of " + password.encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
