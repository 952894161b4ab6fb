"""A Kafka image with its storage formatted and an archive of the broker's loaded classes."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

from wflo_testkit.model import Recipe, Spec
from wflo_testkit.services.kafka.spec import ADVERTISED, SCRIPT, START

FOLDER = "/tmp/wflo-warm"  # noqa: S108 - in the container; writable by the broker's user
_HERE = Path(__file__).parent
_FILES = ("stand-in.sh", "assemble.sh", "serve.sh")
# Any will do to make the image.
_LISTENERS = "PLAINTEXT://localhost:9092,BROKER://localhost:9093"


def recipe(spec: Spec, password: str) -> Recipe | None:  # noqa: ARG001 - Kafka has none
    """Return how the broker of `spec` is made ready ahead.

    None for a spec that somebody has changed so that it does not follow: another way to start.
    """
    if spec.files != {START: SCRIPT}:
        return None
    exports = [f"export {name}={shlex.quote(text)}" for name, text in spec.environment.items()]
    arguments = f"set -- {shlex.quote(_LISTENERS)}"
    serve = f"set -- '{ADVERTISED}'\n. {FOLDER}/serve.sh\n"
    return Recipe(
        script="\n".join([*exports, arguments, _text("make.sh")]),
        files={f"/tmp/wflo-{name}": _text(name) for name in _FILES},  # noqa: S108
        check=_text("check.sh"),
        start=dataclasses.replace(spec, files={START: serve}),
    )


def _text(name: str) -> str:
    return (_HERE / name).read_text()
