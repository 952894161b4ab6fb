"""Docker contexts for tests, as `docker context create` writes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def make_context(folder: Path, name: str, url: str, **more: object) -> Path:
    """Write a context into a folder as DOCKER_CONFIG names it; returns its meta.json."""
    place = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
    place.mkdir(parents=True, exist_ok=True)
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": url, **more}}}
    (place / "meta.json").write_text(json.dumps(meta))
    return place / "meta.json"
