"""The options that no single service owns, and what each option is called where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wflo_testkit.outline import CONTAINER, Flag
from wflo_testkit.service import Option, Service
from wflo_testkit.settings.values import Duration

PREFIX = "WFLO_TESTKIT_"
TABLE = "[tool.wflo-testkit]"

GENERAL: tuple[Option, ...] = (
    Option(
        key="images",
        default="auto",
        choices=("auto", "official", "local"),
        variables=("WFLO_TEST_IMAGES",),
        help="Which images serve: official ones, local ones built from containers/, or "
        "(auto) whichever is here, official first.",
    ),
    Option(
        key="reuse",
        default=False,
        help="Leave servers running at the end and find them again in the next run. "
        "With CI set only the command line's option counts.",
    ),
    Option(key="fresh", default=False, help="Start every server anew, as happens without reuse."),
    Option(
        key="reuse_max_idle",
        default=Duration(24 * 3600),
        on_command_line=False,
        help="How long a server may be unused before the next run of any project removes it.",
    ),
    Option(
        key="external_max_age",
        default=Duration(24 * 3600),
        on_command_line=False,
        help="How long what a run has made on external servers stays there if it could not drop "
        "it itself; on Postgres and Redis longer, while a session of that run is there.",
    ),
    Option(
        key="warm_images",
        default=True,
        help="Start from images in which the slow part of a start is done already, and make "
        "missing ones after the run, in the background; in CI they are used, but not made.",
    ),
    Option(
        key="keep",
        default=False,
        help="Leave the kit's containers, with failed tests' data inside, at the end, to look at.",
    ),
    Option(
        key="without_docker",
        default="fail",
        choices=("fail", "skip"),
        help="What becomes of a test that needs Docker where no daemon answers; the last line "
        "counts what was skipped for it.",
    ),
    Option(key="require", default=False, help="Without Docker fail, whatever without_docker says."),
    Option(
        key="debug",
        default=False,
        help="Show the log of the broker, the process that owns the containers, at the end.",
    ),
    Option(key="report", default="", help="Write a report of servers and leases to this path."),
    Option(
        key="leftovers",
        default="warn",
        choices=("warn", "error", "ignore"),
        help="What to do about connections, transactions and workflows that a test left open; "
        "they are closed in any case.",
    ),
    Option(
        key="ryuk",
        default=True,
        on_command_line=False,
        help="Start Ryuk, which removes the containers when the run is killed; without it only "
        "the broker's process does.",
    ),
    Option(
        key="sockets",
        default=True,
        on_command_line=False,
        help="Let the kit itself ask the servers that it starts through Unix sockets, where the "
        "daemon runs on this machine; else everything goes through published ports.",
    ),
    Option(
        key="env",
        default={},
        on_command_line=False,
        help="Environment variables for code under test, as templates that the fixture "
        "wflo_env fills, and which a schema sees while it is applied: `DATABASE_URL = "
        '"{postgres.url}"`, `"{postgres.sqlalchemy_url:asyncpg}"`, or `"{gateway.urls[http]}"`.',
    ),
)


def common(service: str) -> tuple[Option, ...]:
    """Return the options that every service has."""
    return (
        Option(
            key=f"{service}_image",
            default="",
            help=f"Image of {service}; empty for the tag that the kit pins.",
        ),
        Option(
            key=f"{service}_startup_timeout",
            default=60.0,
            help=f"Seconds that {service} may take to get ready, the image's pull not counted.",
        ),
    )


def _common(service: str) -> tuple[Option, ...]:
    """Return the same, but for a container of one's own, which names them itself."""
    return () if service == CONTAINER else common(service)


def every(table: Mapping[str, Service]) -> tuple[Option, ...]:
    """Return the general options, then those of each service in `table` (name -> service)."""
    own = [
        option for service in table.values() for option in (*common(service.name), *service.options)
    ]
    return (*GENERAL, *own)


def flags(options: Iterable[Option]) -> tuple[Flag, ...]:
    """Return what of `options` is on the command line: key, whether it is a switch, help."""
    return tuple(
        (option.key, isinstance(option.default, bool), option.help)
        for option in options
        if option.on_command_line
    )


def words(table: Mapping[str, Service]) -> dict[str, list[str]]:
    """Return service -> its options' names without the service's prefix."""
    return {
        name: [o.key.removeprefix(f"{name}_") for o in (*_common(name), *service.options)]
        for name, service in table.items()
    }


def kinds(table: Mapping[str, Service]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return service -> its kinds of leases -> the inputs that each takes."""
    return {
        name: {kind.name: kind.inputs for kind in service.leases} for name, service in table.items()
    }


def variable(key: str) -> str:
    """Return the environment variable of an option: WFLO_TESTKIT_<KEY>."""
    return PREFIX + key.upper()


def flag(key: str) -> str:
    """Return the option's name on the command line: --wflo-<key>."""
    return "--wflo-" + key.replace("_", "-")
