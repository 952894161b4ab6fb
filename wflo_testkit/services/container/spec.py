"""What to run for a container of one's own, from its table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from wflo_testkit.model import Json, Spec
from wflo_testkit.services.container import compose, conditions
from wflo_testkit.services.container.docker_arguments import docker_arguments
from wflo_testkit.services.container.server import ContainerServer
from wflo_testkit.services.container.table import Table

GRACE = 10.0
"""Seconds between the signal to end and SIGKILL, as Docker has it."""
SECRETS = "/run/secrets"
_PORTS = {"https": 443, "wss": 443}


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    """Return what to run for the container `name`.

    settings: by `words.OPTIONS`, and `root`, the project's folder, to which paths are relative.
    Raises SettingError.
    """
    table = Table(name, settings)
    if address := os.environ.get(settings["external"] or "", ""):
        return Spec(service="container", name=name, ports=_ports(table), external=address)
    ready = conditions.of_table(table)
    return Spec(
        service="container",
        name=name,
        image=_image(table),
        build=table.read("build", lambda given: _build(table, given)),
        command=table.read("command", compose.words),
        entrypoint=table.read("entrypoint", compose.words),
        environment=table.read("env_file", lambda given: _environment(table, given)),
        ports=_ports(table),
        tmpfs=table.read("tmpfs", _tmpfs),
        files=dict(_files(table)),
        secrets=dict(_secrets(table)),
        ready=tuple(each for each in ready if isinstance(each, dict)),
        asked=_asked(table, ready),
        volumes=dict(_volumes(table)),
        docker=table.read("docker", lambda own: docker_arguments(table.settings, own)),
        replicas=table.read("replicas", _at_least_one),
        keeps_ports=True,
        per_process=settings["per"] == "worker",
        options={
            "after": list(table["after"]),
            "fill": table.callable("fill"),
            "object": table.callable("object"),
            "grace": table.read("stop_grace_period", _grace),
            "pull": table["pull_policy"] if table["image"] else "missing",
        },
        startup_timeout=float(settings["startup_timeout"] or 60),
    )


def external(spec: Spec) -> ContainerServer:
    """Return the server at `spec.external`, an address such as http://host:port."""
    text = spec.external if "://" in spec.external else f"tcp://{spec.external}"
    parts = urlsplit(text)
    port = parts.port or _PORTS.get(parts.scheme, 80)
    server = ContainerServer.outside(spec, parts.hostname or "", port, options={"url": text})
    return replace(server, ports={next(iter(spec.ports), parts.scheme): port})


def _image(table: Table) -> str:
    given = [word for word in ("image", "build", "object") if table[word]]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise table.refused("image", f"it needs one of image, build and object, and has {found}")
    return str(table["image"])


def _grace(given: Json) -> float:
    return GRACE if given is None else compose.seconds(given)


def _build(table: Table, given: Any) -> dict[str, Json]:
    """Return what to build, with an absolute path."""
    if not given:
        return {}
    own: dict[str, Any] = {"context": given} if isinstance(given, str) else dict(given)
    if unknown := set(own) - {"context", "dockerfile", "target", "args"}:
        raise table.refused("build", f"it has no {', '.join(sorted(unknown))}")
    context = table.path("build", str(own.get("context", ".")))
    dockerfile = str(own.get("dockerfile", "Dockerfile"))
    if not (context / dockerfile).is_file():
        raise table.refused("build", f"{context / dockerfile} is no file")
    return {
        "context": str(context.absolute()),
        "dockerfile": dockerfile,
        "target": str(own.get("target", "")),
        "args": {key: str(value) for key, value in dict(own.get("args", {})).items()},
    }


def _environment(table: Table, given: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in [given] if isinstance(given, str) else given or ():
        path = table.path("env_file", name)
        try:
            found |= compose.variables(path.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError) as error:
            raise table.refused("env_file", f"{name}: {error}") from None
    return found | table.texts("environment")


def _ports(table: Table) -> dict[str, int]:
    ports = table["ports"]
    for name, port in ports.items():
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise table.refused("ports", f"{name} = {port!r} is no port inside the container")
    return dict(ports)


def _tmpfs(given: Mapping[str, str]) -> dict[str, str]:
    return {path: text if "=" in text else f"size={text}" for path, text in given.items()}


def _files(table: Table) -> Iterator[tuple[str, str]]:
    """Yield path inside, and text; of a folder all that is in it."""
    for inside, name in table.texts("files").items():
        path = table.path("files", name)
        if not inside.startswith("/"):
            raise table.refused("files", f"{inside!r} is no absolute path inside")
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file():
                tail = each.relative_to(path).as_posix()
                where = inside if tail == "." else f"{inside.rstrip('/')}/{tail}"
                yield where, each.read_bytes().decode(errors="surrogateescape")


def _secrets(table: Table) -> Iterator[tuple[str, str]]:
    for name, text in table.texts("secrets").items():
        yield name if name.startswith("/") else f"{SECRETS}/{name}", text


def _volumes(table: Table) -> Iterator[tuple[str, str]]:
    for what, inside in table.texts("volumes").items():
        if not inside.startswith("/"):
            raise table.refused("volumes", f"{inside!r} is no absolute path inside")
        is_path = what.startswith((".", "/", "~"))
        yield str(table.path("volumes", what).absolute()) if is_path else what, inside


def _at_least_one(number: int) -> int:
    if number < 1:
        raise ValueError(f"{number} is not at least 1")
    return number


def _asked(table: Table, ready: list[Any]) -> tuple[str, ...]:
    """Return what only a process that runs tests can do: callables, a Testcontainers object."""
    found = (
        ("object", table["object"]),
        ("ready", any(callable(each) for each in ready)),
        ("fill", table["fill"]),
    )
    return tuple(what for what, wanted in found if wanted)
