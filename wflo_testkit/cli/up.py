"""`wflo-testkit up`: servers and leases without a test, for as long as it runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from wflo_testkit.cli import project

if TYPE_CHECKING:
    import argparse


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the kit's command line."""
    parser = subparsers.add_parser(
        "up", help="start servers and leases without a test, and end them with Ctrl-C"
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a server or a lease; default: all that pyproject.toml declares",
    )
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        help="write <NAME>_URL of each there, passwords included, for as long as it is up",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Become the project's pytest, which knows what its servers run. Raises OSError."""
    options = [f"--wflo-up={','.join(arguments.names)}"]
    if arguments.env_file:
        options.append(f"--wflo-up-env-file={arguments.env_file}")
    command = [sys.executable, "-m", "pytest", *options]
    # One process: whoever ends this one ends what is up.
    os.execve(sys.executable, command, os.environ | project.unmeasured())  # noqa: S606
