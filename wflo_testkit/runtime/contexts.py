"""Docker contexts: which one is chosen, and which daemon it names (Docker manual, contexts)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wflo_testkit.errors import SettingError


@dataclass(frozen=True, slots=True)
class Context:
    """A context of the Docker command line.

    origin: what chose it. url: "" for the default socket. certificates: its folder with ca.pem,
    cert.pem and key.pem, "" for none.
    """

    name: str
    origin: str
    url: str
    certificates: str
    skips_verification: bool


def chosen() -> Context | None:
    """Return the context that DOCKER_CONTEXT or config.json names; None for the default one.

    Raises SettingError if there is none of that name, or if it cannot be read.
    """
    try:
        folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker").absolute()
    except RuntimeError:  # no home folder
        return None
    name, origin = os.environ.get("DOCKER_CONTEXT", ""), "environment: DOCKER_CONTEXT"
    if not name:
        name, origin = _current(folder / "config.json"), str(folder / "config.json")
    if name in ("", "default"):
        return None
    return _read(name, origin, folder / "contexts")


def _current(path: Path) -> str:
    """Return `currentContext`; "" also for a file that Docker would warn of and not use."""
    try:
        return str(_json(path).get("currentContext") or "")
    except (OSError, ValueError, TypeError):
        return ""


def _read(name: str, origin: str, folder: Path) -> Context:
    key = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    path = folder / "meta" / key / "meta.json"
    try:
        docker = _json(path)["Endpoints"]["docker"]
        url, skips = str(docker.get("Host") or ""), bool(docker.get("SkipTLSVerify"))
    except FileNotFoundError:
        raise _missing(name, origin, folder) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingError(
            f"the Docker context {name!r} cannot be read",
            cause=error,
            looked_at=f"{path} (chosen by {origin})",
            fix=f"`docker context rm -f {name}` and make it anew, or choose another",
        ) from None
    certificates = folder / "tls" / key / "docker"
    found = str(certificates) if certificates.is_dir() else ""
    return Context(name, origin, url, found, skips)


def _missing(name: str, origin: str, folder: Path) -> SettingError:
    there = ", ".join(["default", *sorted(_names(folder))])
    return SettingError(
        f"there is no Docker context {name!r}",
        cause=f"chosen by {origin}; there are: {there}",
        looked_at=str(folder),
        fix="choose one of these, by DOCKER_CONTEXT or `docker context use`, or set DOCKER_HOST",
    )


def _names(folder: Path) -> Iterator[str]:
    for path in folder.glob("meta/*/meta.json"):
        try:
            yield str(_json(path)["Name"])
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    if not isinstance(found, dict):
        raise TypeError(f"{path.name} holds no JSON object")
    return found
