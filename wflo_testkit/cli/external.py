"""The external servers that the project in the current folder is set up to use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wflo_testkit import services
from wflo_testkit.broker.starting import connect
from wflo_testkit.broker.visits import STAYS, clear_after
from wflo_testkit.cli.checks import load
from wflo_testkit.errors import TestkitError, without_passwords
from wflo_testkit.model import Server, Spec
from wflo_testkit.service import Service


def clear(rootdir: Path, run: str = "", *, force: bool = False) -> Iterator[tuple[str, str]]:
    """Remove what dead runs left there; yield "removed", "left" or "failed", and a sentence.

    rootdir: where pyproject.toml is; the environment counts as well. run: only what that one
    left. force: whether or not it is proven dead.
    """
    seen: set[tuple[str, str]] = set()
    try:
        for spec, service in _specs(rootdir):
            if (spec.service, spec.external) not in seen:
                seen.add((spec.service, spec.external))
                yield from _of_server(spec, service, run, force=force)
    except TestkitError as error:
        yield "failed", error.text


def _of_server(spec: Spec, service: Service, run: str, *, force: bool) -> Iterator[tuple[str, str]]:
    try:
        server = connect(spec, service)
        for guest, objection in clear_after(server, service, run, force=force):
            yield _outcome(server, guest.run, guest.owner, objection)
    except Exception as error:  # noqa: BLE001 - of whichever library; the other servers go on
        text = error.text if isinstance(error, TestkitError) else f"{type(error).__name__}: {error}"
        yield "failed", f"{spec.name}: {without_passwords(text)}"


def _outcome(server: Server, run: str, owner: str, objection: str) -> tuple[str, str]:
    what = f"what run {run} made on {server.name} at {server.host}:{server.port}"
    if not objection:
        return "removed", what
    host = owner.partition("/")[0]
    return ("left" if objection == STAYS else "failed"), f"{what}: {objection} (on {host})"


def _specs(rootdir: Path) -> Iterator[tuple[Spec, Service]]:
    """Yield what is external and keeps a guestbook. Raises SettingError."""
    table = services.table()
    loaded = load(table, rootdir)
    names = {name: name for name in table} | dict(loaded.servers)
    for name, kind in names.items():
        service = table[kind]
        spec = service.spec(name, loaded.server(name))
        if spec.external and service.guestbook is not None:
            yield spec, service
