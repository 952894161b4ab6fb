"""`wflo-testkit images`: the images that tests run."""

from __future__ import annotations

import argparse
import dataclasses
import json
from contextlib import closing

from wflo_testkit import catalog
from wflo_testkit.cli import warm
from wflo_testkit.cli.progress import Progress
from wflo_testkit.cli.table import aligned
from wflo_testkit.runtime import build as builder
from wflo_testkit.runtime import daemon, provision
from wflo_testkit.runtime.provision import ImageState


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand and its actions."""
    images = subparsers.add_parser(
        "images", help="list, pull, build, warm up, save and load the images"
    )
    actions = images.add_subparsers(metavar="ACTION", required=True)
    _register_pull(actions)
    _register_build(actions)
    show = actions.add_parser("list", help="show which image serves each service")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.add_argument("--warm", action="store_true", help="show the warm images instead")
    show.set_defaults(run=list_)
    warm.register(actions)


def pull(arguments: argparse.Namespace) -> int:
    """Bring every image onto the daemon: pulled, or built where no registry answers."""
    with closing(daemon.connect().client) as client, Progress() as progress:
        provision.provide(client, arguments.names, source=arguments.source, report=progress.report)
        states = provision.states(client, arguments.names)
    print("\n".join(aligned(list(map(_row, states)))))
    return 0


def build(arguments: argparse.Namespace) -> int:
    """Build local stand-ins; what is current is left alone."""
    names = arguments.names or [entry.name for entry in catalog.services()]
    with closing(daemon.connect().client) as client, Progress() as progress:
        built = builder.build(client, names, report=progress.report, no_cache=arguments.no_cache)
    print(f"built: {', '.join(built)}" if built else "everything is current")
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """Print one row for each service, or all of it as JSON."""
    if arguments.warm:
        return warm.list_(as_json=arguments.json)
    with closing(daemon.connect().client) as client:
        states = provision.states(client)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(state) for state in states], indent=2))
    else:
        print("\n".join(aligned(list(map(_row, states)))))
    return 0


def _register_pull(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser("pull", help="pull, or build where no registry answers")
    _add_names(parser)
    parser.add_argument(
        "--source",
        choices=("auto", "official", "local"),
        default="auto",
        help="official: never build; local: never pull; auto: build what cannot be pulled",
    )
    parser.set_defaults(run=pull)


def _register_build(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser("build", help="build local stand-ins from containers/")
    _add_names(parser)
    parser.add_argument(
        "--no-cache", action="store_true", help="build everything anew, without cached layers"
    )
    parser.set_defaults(run=build)


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", type=_known, metavar="NAME", help="default: all services"
    )


def _known(name: str) -> str:
    if name not in catalog.entries():
        known = ", ".join(catalog.entries())
        raise argparse.ArgumentTypeError(f"no image is called {name!r} (known: {known})")
    return name


def _row(state: ImageState) -> tuple[str, str, str]:
    remedy = f"run `wflo-testkit images pull {state.name}`"
    if state.serves == "official":
        return state.name, "official", state.official
    if state.serves == "local":
        note = "" if state.current else f", out of date: {remedy}"
        return state.name, "local", f"{state.local}  (stands in for {state.official}{note})"
    return state.name, "missing", f"{state.official}: {remedy}"
