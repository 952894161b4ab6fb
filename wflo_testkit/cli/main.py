"""Entry point of `wflo-testkit`: parse the command line, run a subcommand, print errors."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from wflo_testkit.errors import TestkitError

COMMANDS = ("doctor", "images", "up", "ps", "clean")
"""Subcommands in the order of the help. Each is a module of this package with
`register(subparsers)`, which sets `run`: a callable that takes the parsed arguments and returns
the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except TestkitError as error:
        print(f"wflo-testkit: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe has gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nwflo-testkit: interrupted", file=sys.stderr, flush=True)
        # Threads may hang in a call to the daemon; closing their connections ends its work too.
        os._exit(130)


def parser() -> argparse.ArgumentParser:
    """Return the parser with every subcommand."""
    top = argparse.ArgumentParser(
        prog="wflo-testkit", description="Containers for tests: images, set-up, clean-up."
    )
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"wflo_testkit.cli.{name}").register(subparsers)
    return top


if __name__ == "__main__":
    raise SystemExit(main())
