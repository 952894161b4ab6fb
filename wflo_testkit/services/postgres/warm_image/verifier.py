"""What Postgres stores in place of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac


def verifier(password: str) -> str:
    """Return the SCRAM verifier of `password`; Postgres takes it wherever it takes a password.

    The form is that of pg_authid.rolpassword (PostgreSQL manual, pg_authid), the keys are those
    of RFC 5802, section 3. One iteration: a random password cannot be guessed, and the usual 4096
    cost each connect 1.4 ms. The salt is derived from the password, which belongs to one image.
    """
    salt = hashlib.sha256(b"salt of " + password.encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256$1:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
