"""pytest plugin of the traced process: notes when the steps of a start begin and end.

It knows the kit's inner functions, and notes when one has been renamed; it imports nothing that
the kit would have to import.
"""

from __future__ import annotations

import functools
import json
import os
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
    ("watchdog begun", "wflo_testkit.runtime.watchdog", "Watchdog.start"),
    ("Ryuk acknowledged", "wflo_testkit.runtime.reaper", "Reaper.start"),
    ("image looked up", "wflo_testkit.runtime.images", "resolve"),
    ("warm image looked up", "wflo_testkit.broker.warming", "Warming.find"),
    ("created", "wflo_testkit.runtime.containers", "Containers._create"),
    ("start allowed by the guard", "wflo_testkit.runtime.session", "Session.wait_for_reaper"),
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


def _in_traced_process() -> bool:
    return FILE in os.environ


if _in_traced_process():
    import pytest

    _note("pytest loads plugins", "", time.monotonic())

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish() -> None:
        begin = time.monotonic()
        _note("tests collected", "", begin)
        for each in STEPS:
            _wrap(*each)
        _note("kit's own modules imported", "", begin)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure() -> None:
        Path(os.environ[FILE]).write_text(json.dumps(sorted(_steps, key=lambda s: s["end"])))
