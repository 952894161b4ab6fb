"""Fills in what a Spec can know only once its container runs."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

from wflo_testkit.model import Spec


def with_password(spec: Spec, password: str, name: str = "") -> Spec:
    """Replace the password's placeholders and `{name}` in the texts of `spec`.

    name: the container's host name on the kit's network, by default its `alias`. In a container of
    a project's own it stays: `/users/{name}` is what programs write.
    """
    values = {
        "{password}": password,
        "{password_sha256}": hashlib.sha256(password.encode()).hexdigest(),
    }
    if not spec.keeps_ports:
        values["{name}"] = name or alias(spec)
    return dataclasses.replace(
        spec,
        command=tuple(fill(word, values) for word in spec.command),
        environment={key: fill(value, values) for key, value in spec.environment.items()},
        entrypoint=tuple(fill(word, values) for word in spec.entrypoint),
        files={path: fill(text, values) for path, text in spec.files.items()},
        secrets={path: fill(text, values) for path, text in spec.secrets.items()},
    )


def with_address(files: Mapping[str, str], host: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Replace `{host}` and `{port:NAME}` in the texts of `files`."""
    values = {"{host}": host} | {f"{{port:{name}}}": str(port) for name, port in ports.items()}
    return {path: fill(text, values) for path, text in files.items()}


def alias(spec: Spec) -> str:
    """Return the container's host name on the kit's network."""
    return f"{spec.name}-{spec.unique}" if spec.unique else spec.name


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each placeholder; other braces stay, since shell and JSON are full of them."""
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text
