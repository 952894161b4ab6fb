"""pytest plugin of the traced process: notes when the steps of a start begin and end.

It knows the kit's inner functions, and notes when one has been renamed; it imports nothing that
the kit would have to import.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

FILE = "BENCH_TRACE"
BEGAN = "BENCH_BEGAN"


class Step(TypedDict):
    """Seconds since the start of the process; what: the server concerned, or ""."""

    step: str
    what: str
    begin: float
    end: float


STEPS = (
    ("docker imported and connected", "wflo_testkit.runtime.daemon", "connect"),
    ("broker begun", "wflo_testkit.run.owner", "RunOwner.begin"),
    ("broker made", "wflo_testkit.run.making", "make_broker"),
    ("Ryuk acknowledged", "wflo_testkit.runtime.reaper", "Reaper.start"),
    ("image looked up", "wflo_testkit.runtime.images", "resolve"),
    ("warm image looked up", "wflo_testkit.broker.warming", "Warming.find"),
    ("created", "wflo_testkit.runtime.containers", "Containers._create"),
    (
        "start allowed by the guard",
        "wflo_testkit.runtime.docker_session",
        "DockerSession.wait_for_reaper",
    ),
    ("ports and files", "wflo_testkit.runtime.containers", "Containers._running"),
    ("container up", "wflo_testkit.runtime.containers", "Containers.start"),
    ("probe", "wflo_testkit.broker.starting", "answers"),
    ("ready", "wflo_testkit.broker.starting", "Starter.start"),
)
_steps: list[Step] = []


def _note(step: str, what: str, begin: float) -> None:
    zero = float(os.environ[BEGAN])
    end = time.monotonic()
    _steps.append(Step(step=step, what=what, begin=begin - zero, end=end - zero))


def find(module: str, path: str) -> tuple[Any, str]:
    """Return what holds a step's function, and its name there. Raises ImportError and
    AttributeError when it is not there."""
    *holders, name = path.split(".")
    home = functools.reduce(getattr, holders, import_module(module))
    getattr(home, name)
    return home, name


def _wrap(step: str, module: str, path: str) -> None:
    try:
        home, name = find(module, path)
        setattr(home, name, _timed(step, getattr(home, name)))
    except (ImportError, AttributeError):
        _note(f"(no {module}.{path} any more)", "", time.monotonic())


def _timed(step: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        begin = time.monotonic()
        try:
            return inner(*args, **kwargs)
        finally:
            _note(step, _server_of(args), begin)

    return outer


def _server_of(args: Sequence[Any]) -> str:
    """Return the name of the server that a call concerns: a Spec or a Server among its values."""
    from wflo_testkit.model import Server, Spec

    return next((each.name for each in args if isinstance(each, Spec | Server)), "")


def _written_by_broker() -> Path:
    return Path(os.environ[FILE] + ".broker")


def _in_broker() -> None:
    """Time what the broker's process does, and write that down at its end."""
    from wflo_testkit.broker.broker import Broker

    for each in STEPS:
        _wrap(*each)
    close = Broker.close

    def close_and_write(broker: Broker, *given: float) -> None:
        _written_by_broker().write_text(json.dumps(_steps))
        close(broker, *given)

    Broker.close = close_and_write  # type: ignore[method-assign]


if "pytest" not in sys.modules and FILE in os.environ:
    _in_broker()
elif FILE in os.environ:
    import pytest

    _note("pytest loads plugins", "", time.monotonic())

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish() -> None:
        from wflo_testkit.run import launch

        begin = time.monotonic()
        _note("tests collected", "", begin)
        _wrap(*next(step for step in STEPS if step[0] == "broker begun"))
        entry = "from wflo_testkit.run.entry"
        launch.BEGIN = launch.BEGIN.replace(entry, f"import {__name__}\n{entry}")
        _note("kit's own modules imported", "", begin)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure() -> None:
        steps = [*_steps, *json.loads(_written_by_broker().read_text())]
        Path(os.environ[FILE]).write_text(json.dumps(sorted(steps, key=lambda s: s["end"])))
