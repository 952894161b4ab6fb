"""libpq's connection service file."""

from __future__ import annotations

import os
from pathlib import Path


def service_options(service: str, file: str = "") -> dict[str, str] | None:
    """Return the options of a service; None where it is not found or an LDAP server knows it.

    file: where to look first, else PGSERVICEFILE, else ~/.pg_service.conf; then in PGSYSCONFDIR
    (PostgreSQL manual, libpq: The Connection Service File).
    """
    own = file or os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf"
    found = _section(Path(own), service)
    if found is None and (folder := os.environ.get("PGSYSCONFDIR")):
        found = _section(Path(folder) / "pg_service.conf", service)
    return found


def _section(path: Path, service: str) -> dict[str, str] | None:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError:
        return None
    if f"[{service}]" not in lines:
        return None
    found: dict[str, str] = {}
    for line in lines[lines.index(f"[{service}]") + 1 :]:
        if line.startswith("["):
            break
        if line.startswith("ldap"):
            return None
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key.strip(), value.strip())
    return found
