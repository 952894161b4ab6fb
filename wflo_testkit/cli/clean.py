"""`wflo-testkit clean`: removes what is left behind or kept, and nothing that is not the kit's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit.cli import external
from wflo_testkit.runtime import daemon, folders, labels, leftovers
from wflo_testkit.runtime.address import Endpoint, resolve
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.leftovers import Thing
from wflo_testkit.runtime.reuse.home import Home
from wflo_testkit.runtime.reuse.kept import forget_the_gone, hindrance, is_kept, let_go

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the kit's command line."""
    parser = subparsers.add_parser(
        "clean",
        help="remove what dead runs left behind, here and on this project's external servers, and "
        "kept servers that no run uses",
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
    guests = [] if arguments.reused else clear_external(arguments)
    endpoint = resolve()
    client = daemon.connect(endpoint)
    try:
        wanted = [labels.KIT]
        wanted += [f"{labels.RUN}={arguments.run_id}"] if arguments.run_id else []
        wanted += [labels.HOME] if arguments.reused else []
        found = list(leftovers.things(client.client.api, *wanted, images=arguments.images))
        kept = [thing for thing in found if thing.in_use and not arguments.all]
        failures = [
            failure
            for thing in found
            if thing not in kept and (failure := _remove(thing, force=arguments.all))
        ]
        if not arguments.run_id:
            _forget_the_gone(endpoint)
    finally:
        client.client.close()
    if not found and not guests:
        print("nothing to remove")
    for thing in kept:
        maker = "its maker may still be running"
        print(f"left     {thing}: {hindrance(thing.labels) if is_kept(thing.labels) else maker}")
    for failure in failures:
        print(failure)
    if kept:
        print("`wflo-testkit clean --all` removes these too")
    return 1 if failures or "failed" in guests else 0


def clear_external(arguments: argparse.Namespace) -> list[str]:
    """Clear the external servers, and say what; returns what became of each find.

    `--all` alone does not reach a living run there: it may be another machine's.
    """
    outcomes = []
    force = bool(arguments.all and arguments.run_id)
    for outcome, text in external.clear(Path.cwd(), arguments.run_id or "", force=force):
        print(f"{outcome:<8} {text}")
        outcomes.append(outcome)
    return outcomes


def _remove(thing: Thing, *, force: bool) -> str:
    """Remove one thing and say so; returns what went wrong, or ""."""
    if is_kept(thing.labels) and not let_go(thing.labels, force=force):
        return f"left     {thing}: a run has just begun to use it"
    if objection := thing.remove():
        return f"failed   {thing}: {objection}"
    print(f"removed  {thing}")
    return ""


def _forget_the_gone(endpoint: Endpoint) -> None:
    for name in forget_the_gone(Home(), Engine(endpoint)):
        print(f"removed  record of {name}, whose container is gone")


def _remove_folders() -> None:
    for folder in folders.of_dead_runs():
        folders.remove(folder)
        print(f"removed  folder {folder}")
