"""What to run for a container of one's own, from its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from wflo_testkit import ready
from wflo_testkit.errors import SettingError
from wflo_testkit.model import Json, Spec
from wflo_testkit.services.container import compose
from wflo_testkit.services.container.docker_arguments import docker_arguments
from wflo_testkit.services.container.server import ContainerServer

T = TypeVar("T")

SECRETS = "/run/secrets"
_PORTS = {"https": 443, "wss": 443}


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    """Return what to run for the container `name`.

    settings: by `words.OPTIONS`, and `root`, the project's folder, to which paths are relative.
    Raises SettingError.
    """
    table = _Table(name, settings)
    if address := os.environ.get(settings["external"] or "", ""):
        return Spec(service="container", name=name, external=address)
    conditions = _conditions(table)
    return Spec(
        service="container",
        name=name,
        image=_image(table),
        build=_build(table),
        command=table.read("command", compose.words),
        entrypoint=table.read("entrypoint", compose.words),
        environment=_environment(table),
        ports=_ports(table),
        tmpfs=table.read("tmpfs", _tmpfs),
        files=dict(_files(table)),
        secrets=dict(_secrets(table)),
        ready=tuple(each for each in conditions if isinstance(each, dict)),
        asked=_asked(table, conditions),
        volumes=dict(_volumes(table)),
        docker=table.read("docker", lambda own: docker_arguments(table.settings, own)),
        replicas=table.read("replicas", _at_least_one),
        keeps_ports=True,
        per_process=settings["per"] == "worker",
        options={
            "after": list(table["after"]),
            "fill": table.callable("fill"),
            "object": table.callable("object"),
            "grace": table.read("stop_grace_period", compose.seconds),
        },
        startup_timeout=float(settings["startup_timeout"] or 60),
    )


def external(spec: Spec) -> ContainerServer:
    """Return the server at `spec.external`, an address such as http://host:port."""
    text = spec.external if "://" in spec.external else f"tcp://{spec.external}"
    parts = urlsplit(text)
    port = parts.port or _PORTS.get(parts.scheme, 80)
    server = ContainerServer.outside(spec, parts.hostname or "", port, options={"url": text})
    object.__setattr__(server, "ports", {parts.scheme: port})
    return server


class _Table:
    """One container's words; `${VAR}` is filled in. Refusals name the word and where it stands."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.root = Path(settings["root"])
        self.settings = {
            word: self._filled(word, value) for word, value in settings.items() if word != "root"
        }

    def __getitem__(self, word: str) -> Any:
        return self.settings[word]

    def _filled(self, word: str, value: Any) -> Any:
        try:
            return compose.interpolated(value, os.environ)
        except ValueError as error:
            raise self.refused(word, error, "set it, or write ${VAR:-default}") from None

    def read(self, word: str, reader: Callable[[Any], T]) -> T:
        try:
            return reader(self[word])
        except (ValueError, TypeError) as error:
            raise self.refused(word, error) from None

    def path(self, word: str, text: str) -> Path:
        """Return a path that is relative to the project. Raises SettingError where nothing is."""
        path = self.root / Path(text).expanduser()
        if not path.exists():
            raise self.refused(word, f"{path} does not exist", "paths are relative to the project")
        return path

    def callable(self, word: str) -> str:
        """Return `module:name`, or what stands for a callable of the code."""
        value = self[word]
        if callable(value):
            return f"{value.__module__}:{value.__qualname__}"
        if value and ":" not in value:
            raise self.refused(word, f"{value!r} is no `module:callable`")
        return str(value)

    def refused(self, word: str, cause: object, fix: str = "") -> SettingError:
        return SettingError(
            f"the container {self.name!r} cannot be run: {word}",
            cause=str(cause),
            looked_at=f"{word} of [tool.wflo-testkit.servers.{self.name}], or of wflo_container()",
            fix=fix or "docs/containers.md has every word",
        )


def _image(table: _Table) -> str:
    given = [word for word in ("image", "build", "object") if table[word]]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise table.refused("image", f"it needs one of image, build and object, and has {found}")
    return str(table["image"])


def _build(table: _Table) -> dict[str, Json]:
    """Return what to build, with an absolute path."""
    given = table["build"]
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


def _environment(table: _Table) -> dict[str, str]:
    given = table["env_file"] or []
    found: dict[str, str] = {}
    for name in [given] if isinstance(given, str) else given:
        text = table.path("env_file", name).read_text()
        try:
            found |= compose.variables(text)
        except ValueError as error:
            raise table.refused("env_file", f"{name}: {error}") from None
    return found | {key: _text(value) for key, value in table["environment"].items()}


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ports(table: _Table) -> dict[str, int]:
    ports = table["ports"]
    for name, port in ports.items():
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise table.refused("ports", f"{name} = {port!r} is no port inside the container")
    return dict(ports)


def _tmpfs(given: Mapping[str, str]) -> dict[str, str]:
    return {path: text if "=" in text else f"size={text}" for path, text in given.items()}


def _files(table: _Table) -> Iterator[tuple[str, str]]:
    """Yield path inside, and text; of a folder all that is in it."""
    for inside, name in table["files"].items():
        path = table.path("files", name)
        if not inside.startswith("/"):
            raise table.refused("files", f"{inside!r} is no absolute path inside")
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file():
                tail = each.relative_to(path).as_posix()
                where = inside if tail == "." else f"{inside.rstrip('/')}/{tail}"
                yield where, each.read_bytes().decode(errors="surrogateescape")


def _secrets(table: _Table) -> Iterator[tuple[str, str]]:
    for name, text in table["secrets"].items():
        yield name if name.startswith("/") else f"{SECRETS}/{name}", _text(text)


def _volumes(table: _Table) -> Iterator[tuple[str, str]]:
    for what, inside in table["volumes"].items():
        is_path = what.startswith((".", "/", "~"))
        yield str(table.path("volumes", what).absolute()) if is_path else what, inside


def _at_least_one(number: int) -> int:
    if number < 1:
        raise ValueError(f"{number} is not at least 1")
    return number


def _conditions(table: _Table) -> list[Any]:
    """Return the conditions and callables of `ready`; where none is set, the first port."""
    given = table["ready"]
    if given is None:
        return [ready.tcp()] if table["ports"] else []
    return [
        _condition(table, each) for each in (given if isinstance(given, list | tuple) else [given])
    ]


def _condition(table: _Table, given: Any) -> Any:
    if callable(given):
        return given
    own = {given: True} if isinstance(given, str) else given
    kinds = [kind for kind in ready.KINDS if kind in own] if isinstance(own, dict) else []
    if len(kinds) != 1:
        raise table.refused("ready", f"{given!r} is not one of {', '.join(ready.KINDS)}")
    kind = kinds[0]
    if unknown := set(own) - {kind, "timeout", *ready.MORE.get(kind, ())}:
        raise table.refused("ready", f"{kind} has no {', '.join(sorted(unknown))}")
    port = own[kind] if kind == "tcp" else own.get("port", "")
    if table["object"]:  # its ports are known once it runs
        return own
    if port and port is not True and port not in table["ports"]:
        names = ", ".join(table["ports"]) or "it has none"
        raise table.refused("ready", f"no port is called {port!r}: {names}")
    if kind in ("http", "tcp", "grpc") and not table["ports"]:
        raise table.refused("ready", f"{kind} needs a port, and it has none")
    return own


def _asked(table: _Table, conditions: list[Any]) -> tuple[str, ...]:
    """Return what only a process that runs tests can do: callables, a Testcontainers object."""
    found = (
        ("object", table["object"]),
        ("ready", any(callable(each) for each in conditions)),
        ("fill", table["fill"]),
    )
    return tuple(what for what, wanted in found if wanted)
