"""What testcontainers' settings say of the daemon and of Ryuk, read without loading its library."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

DEFAULT = "unix:///var/run/docker.sock"


def daemon_address() -> str:
    """Return the address as in DOCKER_HOST: unix://, tcp:// or ssh://.

    In testcontainers' order: `tc.host` in ~/.testcontainers.properties, the variable DOCKER_HOST,
    the Docker context; else the default socket.
    """
    return _property("tc.host") or os.environ.get("DOCKER_HOST") or _of_context() or DEFAULT


def socket_path(address: str) -> str:
    """Return the path of the daemon's socket on the daemon's own machine."""
    if override := os.environ.get("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"):
        return override
    return (address if address.startswith("unix://") else DEFAULT).removeprefix("unix://")


def ryuk_is_disabled() -> bool:
    """Tell whether testcontainers' own switch is set: by code, its variable, or its properties."""
    loaded = sys.modules.get("testcontainers.core.config")
    # It may just be loading in another thread; then nobody has set anything in it yet.
    if config := getattr(loaded, "testcontainers_config", None):
        return bool(config.ryuk_disabled)
    given = os.environ.get("TESTCONTAINERS_RYUK_DISABLED", _property("ryuk.disabled"))
    return given.lower() in ("yes", "true", "t", "y", "1")


def published_host(address: str) -> str:
    """Return where ports that a daemon at a local `address` publishes are reached."""
    override = os.environ.get("TESTCONTAINERS_HOST_OVERRIDE") or os.environ.get("TC_HOST")
    return override or ("127.0.0.1" if address.startswith("unix://") else "")


def _property(key: str) -> str:
    try:
        lines = (Path.home() / ".testcontainers.properties").read_text().splitlines()
    except (OSError, RuntimeError):
        return ""
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for name, _equals, value in pairs if name.strip() == key), "")


def _of_context() -> str:
    """Return the address of the chosen Docker context (Docker manual, contexts), "" for none."""
    try:
        folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        name = os.environ.get("DOCKER_CONTEXT") or _json(folder / "config.json").get(
            "currentContext", ""
        )
        if name in ("", "default"):
            return ""
        place = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
        return str(_json(place / "meta.json")["Endpoints"]["docker"]["Host"])
    except (OSError, RuntimeError, ValueError, KeyError):
        return ""


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))
