"""`wflo-testkit clean`: removes what is left behind or kept, and nothing that is not the kit's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit import services
from wflo_testkit.broker.external import External, over
from wflo_testkit.broker.starting import connect
from wflo_testkit.cli import project
from wflo_testkit.errors import TestkitError, without_passwords
from wflo_testkit.isolation import Sweeps
from wflo_testkit.runtime import daemon, folders, labels, leftovers
from wflo_testkit.runtime.address import resolve
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.leftovers import Thing
from wflo_testkit.runtime.reuse.kept import forget_the_gone, let_go
from wflo_testkit.runtime.reuse.user_folder import UserFolder

if TYPE_CHECKING:
    import argparse

    from wflo_testkit.model import Spec
    from wflo_testkit.service import Service


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the kit's command line."""
    parser = subparsers.add_parser(
        "clean",
        help="remove what dead runs left behind, kept servers that no run uses, and what is older "
        "than external_max_age on this project's external servers",
    )
    parser.add_argument(
        "--all", action="store_true", help="also what may belong to a run that is still going"
    )
    parser.add_argument("--images", action="store_true", help="also the images that the kit made")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--run", metavar="ID", dest="run_id", help="only what that run made")
    only.add_argument("--reused", action="store_true", help="only what is kept for reuse")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Remove, and say what; 1 when something could not be removed. Raises DockerUnavailable."""
    if not (arguments.run_id or arguments.reused):
        _remove_folders()
    external = [] if arguments.run_id or arguments.reused else clear_external()
    endpoint = resolve()
    with closing(daemon.connect(endpoint).client) as client:
        wanted = [labels.KIT]
        wanted += [f"{labels.RUN}={arguments.run_id}"] if arguments.run_id else []
        wanted += [labels.HOME] if arguments.reused else []
        found = list(leftovers.things(client.api, *wanted, images=arguments.images))
        kept = [thing for thing in found if thing.hindrance and not arguments.all]
        failures = [
            failure
            for thing in found
            if thing not in kept and (failure := _remove(thing, force=arguments.all))
        ]
        if not arguments.run_id:
            for name in forget_the_gone(UserFolder(), Engine(endpoint)):
                print(f"removed  record of {name}, whose container is gone")
    if not found and not external:
        print("nothing to remove")
    for thing in kept:
        print(f"left     {thing}: {thing.hindrance}")
    for failure in failures:
        print(failure)
    if kept:
        print("`wflo-testkit clean --all` removes these too")
    return 1 if failures or "failed" in external else 0


def clear_external() -> list[str]:
    """Drop what is over on the external servers of the project in this folder, and say what.

    Returns "removed" or "failed" for each thing said.
    """
    outcomes = []
    for outcome, text in _of_servers():
        print(f"{outcome:<8} {text}")
        outcomes.append(outcome)
    return outcomes


def _of_servers() -> Iterator[tuple[str, str]]:
    try:
        told = project.read(Path.cwd())
        servers = {(spec.service, spec.external): spec for spec in told.specs.values()}
        for (service, address), spec in servers.items():
            if address:
                max_age = told.settings["external_max_age"]
                yield from _of_server(spec, services.row(service), max_age)
    except TestkitError as error:
        yield "failed", error.text


def _of_server(spec: Spec, service: Service, max_age: float) -> Iterator[tuple[str, str]]:
    if service.isolation is None:
        return  # nothing is made there
    try:
        server = connect(spec, service)
        isolation = service.isolation(server, External(secrets.token_hex(4), max_age).name())
        try:
            if isinstance(isolation, Sweeps):
                for run in over(isolation, max_age):
                    yield _swept(isolation, run, f"{spec.name} at {server.host}:{server.port}")
        finally:
            isolation.close()
    except Exception as error:  # noqa: BLE001 - of whichever library; the other servers go on
        yield "failed", f"{spec.name}: {_said(error)}"


def _swept(isolation: Sweeps, run: str, place: str) -> tuple[str, str]:
    what = f"what run {run} made on {place}"
    try:
        for _step in isolation.sweep([run]):
            pass
    except Exception as error:  # noqa: BLE001 - of whichever library; the other runs go on
        return "failed", f"{what}: {_said(error)}"
    return "removed", what


def _said(error: Exception) -> str:
    text = error.text if isinstance(error, TestkitError) else f"{type(error).__name__}: {error}"
    return without_passwords(text)


def _remove(thing: Thing, *, force: bool) -> str:
    """Remove one thing and say so; returns what went wrong, or ""."""
    if labels.HOME in thing.labels and not let_go(thing.labels, force=force):
        return f"left     {thing}: a run has just begun to use it"
    if objection := thing.remove():
        return f"failed   {thing}: {objection}"
    print(f"removed  {thing}")
    return ""


def _remove_folders() -> None:
    for folder in folders.of_dead_runs():
        folders.remove(folder)
        print(f"removed  folder {folder}")
