"""The table of services: one line each, and the entry points of other packages.

Loaded at every start of pytest, so a service's row is not: what pytest has to be told of the
kit's own services is written down in `wflo_testkit.outline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from wflo_testkit import outline

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from wflo_testkit.errors import SettingError
    from wflo_testkit.outline import Fixture, Flag
    from wflo_testkit.service import Service

BUILT_IN = {
    "postgres": "wflo_testkit.services.postgres",
    "redis": "wflo_testkit.services.redis",
    "kafka": "wflo_testkit.services.kafka",
    "temporal": "wflo_testkit.services.temporal",
}
CONTAINER = outline.CONTAINER
ENTRY_POINTS = "wflo_testkit.services"


def table() -> dict[str, Service]:
    """Return every known service by name; loads no client library.

    Not cached: where pytester runs pytest in its own process it forgets the rows' modules after,
    and an old row's Server would be another class than the one that a new isolation expects.
    Raises SettingError when another package's entry point is no Service or takes a name twice.
    """
    return {name: import_module(home).SERVICE for name, home in BUILT_IN.items()} | _others()


def row(name: str) -> Service:
    """Return one service's row; another's that is broken does not matter. Raises SettingError."""
    if name in BUILT_IN or name == CONTAINER:
        built_in: Service = import_module(f"{__name__}.{name}").SERVICE
        return built_in
    problem: BaseException | None = None
    for entry in _entries():
        try:
            service = _loaded(entry)
        except Exception as error:  # noqa: BLE001 - whatever a project's module raises
            problem = problem or error
        else:
            if service.name == name:
                return service
    raise _refused(
        f"the service {name!r} is not found outside of pytest",
        looked_at=f"entry points of group {ENTRY_POINTS!r}",
        fix="let its entry point load outside of the tests' process, too",
        cause=problem,
    )


def flags() -> Sequence[Flag]:
    """Return what the command line may set. Raises what `table` raises."""
    if not (others := _others()):
        return outline.FLAGS
    from wflo_testkit.settings import options

    return (*outline.FLAGS, *options.flags(options.every(others)[len(options.GENERAL) :]))


def fixtures() -> Mapping[str, Sequence[Fixture]]:
    """Return service -> the fixtures of each of its servers. Raises what `table` raises."""
    if not (others := _others()):
        return outline.FIXTURES
    from wflo_testkit import service

    return outline.FIXTURES | {name: service.fixtures(row) for name, row in others.items()}


@cache
def _others() -> dict[str, Service]:
    """Return the services of other packages; loads what declares one, and nothing else."""
    found: dict[str, Service] = {}
    for entry in _entries():
        service = _loaded(entry)
        if service.name in found or service.name in (*BUILT_IN, CONTAINER):
            raise _refused(
                f"two services are called {service.name!r}",
                looked_at=f"entry points of group {ENTRY_POINTS!r}",
                fix="uninstall one of them or rename yours",
            )
        found[service.name] = service
    return found


def _entries() -> Iterator[EntryPoint]:
    """Yield the group's entry points.

    Every start of pytest comes here: looking for the group's name in the files' text takes half
    as long as `importlib.metadata.entry_points`, which parses them all (0.6 and 1.4 ms for 55
    packages, measured).
    """
    from importlib.metadata import distributions

    seen = set()
    for package in distributions():
        # Only the first of a name counts, as everywhere: it is what an import finds.
        if ENTRY_POINTS in (package.read_text("entry_points.txt") or ""):
            if package.name not in seen:
                yield from package.entry_points.select(group=ENTRY_POINTS)
            seen.add(package.name)


def _loaded(entry: EntryPoint) -> Service:
    """Return the row that an entry point names, once all that pytest is told of it can be told."""
    from wflo_testkit import service
    from wflo_testkit.settings import options

    where = f"{entry.value} of {entry.dist.name if entry.dist else 'unknown'}"
    try:
        row = entry.load()
        if isinstance(row, service.Service):
            service.fixtures(row)
            options.flags(options.every({row.name: row}))
            return row
    except Exception as error:
        raise _refused(
            f"the entry point {entry.name!r} cannot be used",
            cause=error,
            looked_at=where,
            fix="correct the row that it names, or uninstall that package",
        ) from error
    raise _refused(
        f"the entry point {entry.name!r} is a {type(row).__name__}, not a Service",
        looked_at=where,
        fix="let it name a Service, or uninstall that package",
    )


def _refused(
    what: str, *, looked_at: str, fix: str, cause: BaseException | None = None
) -> SettingError:
    from wflo_testkit.errors import SettingError

    return SettingError(what, cause=cause, looked_at=looked_at, fix=fix)
