"""What `wflo-testkit doctor` looks at: one generator of checks per subject."""

from __future__ import annotations

import platform
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wflo_testkit import __version__, services
from wflo_testkit.cli import project
from wflo_testkit.cli.project import Project
from wflo_testkit.cli.table import size
from wflo_testkit.errors import ImageUnavailable, TestkitError
from wflo_testkit.runtime import daemon, images, provision
from wflo_testkit.runtime.address import Endpoint, resolve
from wflo_testkit.service import Service

if TYPE_CHECKING:
    from docker import DockerClient

    from wflo_testkit.runtime.provision import ImageState

UNTOLD = Project({"images": "auto", "ryuk": True}, {}, [], {})
"""What is taken for set where pytest cannot tell."""
NOT_VERIFIED = "official images: not verified here"
LITTLE_DISK = 3_000_000_000
LITTLE_MEMORY = 1_000_000_000
"""Bytes: below these a run of all services is likely to fail."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. fix: what to do about it, "" when there is nothing to do."""

    section: str
    name: str
    status: Literal["ok", "warn", "error"]
    text: str
    fix: str = ""


def everything(folder: Path) -> Iterator[Check]:
    """Yield every check of the project in `folder` and of this machine.

    What needs the daemon is left out when none answers.
    """
    table: Mapping[str, Service] = {}
    told = UNTOLD
    try:
        table = services.table()
        told = project.read(folder)
    except TestkitError as error:
        yield _failed("settings", "settings", error)
    yield from _python(table)
    yield from _settings(told)
    yield from _machine()
    try:
        endpoint = resolve()
        client = daemon.connect(endpoint).client
    except TestkitError as error:  # none answers, or none is named: a Docker context is not there
        yield _failed("docker", "daemon", error)
        return
    with closing(client):
        yield from _daemon(client, endpoint)
        yield from _images(client, told.settings["images"])
        yield from _reaper(client, endpoint, told)


def _python(table: Mapping[str, Service]) -> Iterator[Check]:
    yield Check("python", "wflo-testkit", "ok", __version__)
    yield Check("python", "python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Check("python", "platform", "ok", platform.platform())
    for name in ("pytest", "docker", "testcontainers"):
        yield Check("python", name, "ok", metadata.version(name))
    distributions = metadata.packages_distributions()
    for package, extra in _client_packages(table).items():
        yield _client(package, extra, distributions)


def _client_packages(table: Mapping[str, Service]) -> dict[str, str]:
    """Return import name -> extra of every client library that some fixture uses."""
    return {
        package: convenience.extra
        for service in table.values()
        for convenience in service.conveniences
        for package in convenience.packages
    }


def _client(package: str, extra: str, distributions: Mapping[str, list[str]]) -> Check:
    if package not in distributions:
        fix = f"pip install 'wflo-testkit[{extra}]'" if extra else f"install {package}"
        return Check("python", package, "warn", "not installed", fix)
    name = distributions[package][0]
    return Check("python", package, "ok", f"{name} {metadata.version(name)}")


def _settings(told: Project) -> Iterator[Check]:
    for key, source in told.sources.items():
        yield Check("settings", key, "ok", source)
    for warning in told.warnings:
        yield Check("settings", "unknown", "warn", warning, "correct or unset it")


def _machine() -> Iterator[Check]:
    available = _available_memory()
    if available is not None:
        yield _enough("free memory", available, LITTLE_MEMORY, "close something, or run fewer")


def _available_memory() -> int | None:
    """Return bytes: MemAvailable of /proc/meminfo (proc(5)); None where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((int(words[1]) * 1024 for words in found), None)


def _enough(name: str, available: int, wanted: int, fix: str) -> Check:
    if available >= wanted:
        return Check("machine", name, "ok", size(available))
    return Check("machine", name, "warn", f"only {size(available)}", fix)


def _daemon(client: DockerClient, endpoint: Endpoint) -> Iterator[Check]:
    info: dict[str, Any] = client.info()
    version = info["ServerVersion"]
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    kind = "rootless" if rootless else "rootful"
    yield Check("docker", "daemon", "ok", f"{version}, {kind}, at {endpoint}")
    system = f"{info['OperatingSystem']}, {info['Architecture']}, {info['NCPU']} CPUs, "
    yield Check("docker", "host", "ok", system + size(info["MemTotal"]))
    yield Check("docker", "storage", "ok", f"{info['Driver']} in {info['DockerRootDir']}")
    yield Check("docker", "ports at", "ok", endpoint.host)
    # The path is the daemon's; that it exists here is the best sign of one machine.
    if Path(info["DockerRootDir"]).exists():
        free = shutil.disk_usage(info["DockerRootDir"]).free
        yield _enough("free disk", free, LITTLE_DISK, "`docker system prune`, or a larger disk")


def _images(client: DockerClient, policy: str) -> Iterator[Check]:
    states = provision.states(client)
    for state in states:
        yield _image(client, state, policy)
    if not all(state.official_here for state in states):
        yield Check("images", "official", "warn", NOT_VERIFIED, "run `wflo-testkit images pull`")


def _image(client: DockerClient, state: ImageState, policy: str) -> Check:
    """Say which image a test would get, and why; pulls nothing."""
    here = state.official_here or (policy == "auto" and state.local_here)
    if policy != "local" and not here:
        text = f"{state.official} is not here; it would be pulled at first use"
        return Check("images", state.name, "warn", text, "run `wflo-testkit images pull`")
    try:
        serves = images.resolve(client, state.official, policy=policy)
    except ImageUnavailable as error:
        return _failed("images", state.name, error)
    text = f"{serves.reference} serves ({serves.origin}: {serves.reason})"
    if state.official_here and state.local_here:
        text += f"; {state.official} and {state.local} are both here"
    if serves.origin == "local" and not state.current:
        fix = f"run `wflo-testkit images build {state.name}`"
        return Check("images", state.name, "warn", f"{text}; built from older files", fix)
    return Check("images", state.name, "ok", text)


def _reaper(client: DockerClient, endpoint: Endpoint, told: Project) -> Iterator[Check]:
    """Start one and wait for its acknowledgement, the only proof that it works."""
    from wflo_testkit.runtime.address import socket_path
    from wflo_testkit.runtime.engine import Engine
    from wflo_testkit.runtime.reaper import Reaper

    if not told.settings["ryuk"]:
        text = f"switched off ({told.sources['ryuk']})"
        fix = "nothing; the broker's process clears up after a killed run"
        yield Check("docker", "reaper", "warn", text, fix)
        return
    engine = Engine(endpoint, api=client.api)
    run = f"doctor-{secrets.token_hex(4)}"
    reaper = Reaper(engine, run, policy=told.settings["images"])
    try:
        reaper.start()
    except TestkitError as error:
        yield _failed("docker", "reaper", error)
    else:
        yield Check("docker", "reaper", "ok", f"acknowledged, by {socket_path(engine.address)}")
    finally:
        reaper.remove()


def _failed(section: str, name: str, error: TestkitError) -> Check:
    facts = [error.what, error.cause, error.looked_at]
    return Check(section, name, "error", "; ".join(f for f in facts if f), error.fix or "")
