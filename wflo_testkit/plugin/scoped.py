"""`scoped`: a lease or a convenience of the kit as a fixture of another scope.

It returns a fixture of pytest's, so that overriding, `--setup-plan` and the order of closing are
pytest's own. Loaded by the first conftest.py that uses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import services
from wflo_testkit.plugin.parts import Part, find_part
from wflo_testkit.plugin.process import CURRENT, MADE_BY_SCOPED
from wflo_testkit.plugin.scopes import OF_PYTEST, SCOPES, Scoped

if TYPE_CHECKING:
    from wflo_testkit.plugin.process import PytestProcess


def scoped(fixture: str, *, scope: str, on: str = "", loop_scope: str = "", **inputs: Any) -> Any:
    """Return a fixture like the kit's `fixture` that lasts for `scope`; assign it to its name.

        shop_database = scoped("orders_database", scope="session", schema=Base.metadata)
        shop_engine = scoped("orders_engine", scope="session", on="shop_database")

    scope: one of pytest's, "session" being one per worker of xdist; or "run", for a lease that all
        workers of a run share.
    on: for a convenience, the fixture of the lease that it stands on.
    loop_scope: for an async convenience, how long the event loop lasts that it belongs to, as in
        pytest-asyncio; its use in another loop is an error. "": it may be used in any loop.
    inputs: what the lease contains, such as `schema`, in place of the fixture of that name.
    Raises SettingError for what cannot be.
    """
    frame = inspect.currentframe()
    caller = frame.f_back if frame else None
    place = f"{caller.f_code.co_filename}:{caller.f_lineno}" if caller else ""
    made = Scoped(fixture, scope, on, loop_scope, inputs, place)
    _check_words(made)
    function = _function(made)
    if not _finish(made, function, CURRENT[-1] if CURRENT else None):
        _refuse_misspelt(made)
        _UNFINISHED.append((made, function))
    lasts: Any = made.lasts.scope
    # In the body of a class pytest would bind it to an instance.
    in_class = caller is not None and "__qualname__" in caller.f_locals
    given: Any = staticmethod(function) if in_class else function
    return pytest.fixture(scope=lasts)(given)


def finish(process: PytestProcess) -> None:
    """Complete what a conftest.py has made of servers that only `process` knows.

    Raises SettingError.
    """
    unfinished = _UNFINISHED[:]
    _UNFINISHED.clear()
    for made, function in unfinished:
        if not _finish(made, function, process):
            raise made.unknown(process.owners)


_UNFINISHED: list[tuple[Scoped, Callable[..., Any]]] = []
"""Made before pytest was configured: the first conftest.py is loaded earlier than the settings."""


def _function(made: Scoped) -> Callable[..., Any]:
    def fixture(*_class: Any, request: pytest.FixtureRequest, **needs: Any) -> Iterator[Any]:
        from wflo_testkit.plugin import fixtures

        yield from fixtures.scoped(request, made, needs)

    fixture.__name__ = made.fixture
    setattr(fixture, MADE_BY_SCOPED, made)
    return fixture


def _finish(made: Scoped, function: Callable[..., Any], process: PytestProcess | None) -> bool:
    """Give `function` the signature and docstring of what it stands for; False if unknown yet."""
    if process is None:
        known = services.fixtures()
        part = find_part(made.fixture, {name: name for name in known}, known)
    else:
        part = process.part(made.fixture)
    if part is None:
        function.__signature__ = _signature([])  # type: ignore[attr-defined]
        return False
    _check_part(made, part)
    made.part = part
    needs = [name for name in part.needs if _word(part, name) not in made.inputs]
    function.__doc__ = part.doc
    function.__signature__ = _signature([made.on] if made.on else needs)  # type: ignore[attr-defined]
    return True


def _signature(needs: list[str]) -> Signature:
    """Return one whose first parameter a bound method may lose without loss."""
    words = [Parameter(name, Parameter.KEYWORD_ONLY) for name in ("request", *needs)]
    return Signature([Parameter("_class", Parameter.VAR_POSITIONAL), *words])


def _word(part: Part, need: str) -> str:
    return need.removeprefix(f"{part.server}_")


def _check_words(made: Scoped) -> None:
    if made.scope not in SCOPES:
        raise made.refused(f"there is no scope {made.scope!r}", f"write one of {', '.join(SCOPES)}")
    if not made.loop_scope:
        return
    if made.loop_scope not in OF_PYTEST:
        fix = f"write one of {', '.join(OF_PYTEST)}"
        raise made.refused(f"there is no loop_scope {made.loop_scope!r}", fix)
    if OF_PYTEST.index(made.lasts.scope) > OF_PYTEST.index(made.loop_scope):
        raise made.refused(
            f"it would outlast its event loop, which lasts for {made.loop_scope!r}",
            f'write loop_scope="{made.lasts.scope}", for the tests that use it as well',
        )


def _check_part(made: Scoped, part: Part) -> None:
    if part.kind == "convenience":
        if made.lasts.is_shared:
            fix = f'give its lease scope="{made.scope}", and this one scope="session"'
            raise made.refused("what one process has open cannot be the whole run's", fix)
        if made.inputs:
            fix = f'give it to the lease: scoped("{part.needs[0]}", ...), and that\'s name as on='
            raise made.refused(f"a convenience has no {next(iter(made.inputs))!r}", fix)
        return
    if part.kind != "lease":
        raise made.refused(f"{made.fixture} lasts for the session anyway", "use it as it is")
    if made.on or made.loop_scope:
        word = "on" if made.on else "loop_scope"
        raise made.refused(f"a lease has no {word!r}", "leave that out")
    for key in made.inputs:
        if key not in (known := [_word(part, need) for need in part.needs]):
            fix = f"it takes {' and '.join(known)}" if known else "leave that out"
            raise made.refused(f"a lease like {made.fixture} contains no {key!r}", fix)


def _refuse_misspelt(made: Scoped) -> None:
    """Raise SettingError for what no server has, whatever it is called."""
    parts = [(name, part[0]) for name, own in services.fixtures().items() for part in own]
    if not any(made.fixture.endswith(f"_{suffix}") for _name, suffix in parts):
        raise made.unknown(f"{name}_{suffix}" for name, suffix in parts)
