"""`pytest --wflo-up`, which is what `wflo-testkit up` runs: pytest knows what the project runs."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin.session import session_of
from wflo_testkit.run.env_file import EnvFile
from wflo_testkit.run.up import Up

FAILED, INTERRUPTED = 1, 130
"""Exit codes: of an error, and of an interrupt before all was up (128 + SIGINT)."""


def serve(config: pytest.Config) -> int:
    """Start what the option names, and stay until Ctrl-C or SIGTERM; return the exit code.

    What it has started goes when pytest is unconfigured; if this process is killed, by the broker.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = INTERRUPTED
    try:
        # As pytest does for --help: conftests may set something there.
        config._do_configure()  # noqa: SLF001
        with ExitStack() as stack:
            names, path = config.option.wflo_up, config.option.wflo_up_env_file
            up = Up(session_of(config), names.split(",") if names else [], say=_say)
            file = EnvFile(Path(path)) if path else None
            urls = up.start()
            if file is not None:
                file.write(urls)
                stack.callback(file.remove)
            _say("everything has started; Ctrl-C ends it")
            code = 0
            up.watch()
    except (KeyboardInterrupt, BrokenPipeError):  # or nobody reads any more, as in `... | head`
        sys.stderr.write("\n")  # after the terminal's ^C
    except (TestkitError, pytest.skip.Exception, pytest.fail.Exception) as error:
        sys.stderr.write(f"wflo-testkit: {error}\n")
        code = FAILED
    return code


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
