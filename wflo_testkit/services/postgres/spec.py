"""What to run for Postgres, from the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN, Spec
from wflo_testkit.service import Option, lazy
from wflo_testkit.services.postgres.address import DEFAULT_PORT, parse
from wflo_testkit.services.postgres.server import PostgresServer

_MODES = "wflo_testkit.services.postgres.modes"
MODES = {
    "database": lazy(f"{_MODES}.database:DatabaseMode"),
    "rollback": lazy(f"{_MODES}.rollback:RollbackMode"),
    "schema": lazy(f"{_MODES}.schema:SchemaMode"),
    "create": lazy(f"{_MODES}.create:CreateMode"),
}
"""Value of `postgres_isolation` -> what makes that mode of a ModeContext; the default first."""

OPTIONS = (
    Option(
        key="postgres_url",
        default="",
        help="an external server, as postgresql://user:password@host:port/database",
        variables=("TEST_DATABASE_URL",),
    ),
    Option(
        key="postgres_isolation",
        default=next(iter(MODES)),
        choices=tuple(MODES),
        help="what a test gets to itself",
    ),
    Option(
        key="postgres_role",
        default="owner",
        choices=("owner", "superuser"),
        help="what a test may do: everything in its own database, or everything",
    ),
    Option(
        key="postgres_user",
        default="postgres",
        help="name of the server's administrator",
        on_command_line=False,
    ),
    Option(
        key="postgres_max_connections",
        default=300,
        help="connections that the server accepts",
        on_command_line=False,
    ),
    Option(
        key="postgres_arguments",
        default={},
        help='server parameters, over the kit\'s own: {wal_level = "logical"}',
        on_command_line=False,
    ),
    Option(
        key="postgres_extensions",
        default=[],
        help='extensions that the administrator makes before any schema is applied: ["vector"]',
        on_command_line=False,
    ),
    Option(
        key="postgres_schema_connects_to",
        default=[],
        help="databases besides its own that a schema may connect to while it is applied: "
        '["localhost:5432/app", "data/app.sqlite"], paths relative to the root folder',
        on_command_line=False,
        in_environment=False,
    ),
)

SOCKETS = "/var/tmp"  # noqa: S108 - in the container

# Data that nobody keeps needs no durability. wal_level=minimal requires max_wal_senders=0 and
# rules out logical replication. max_wal_size has to fit into the tmpfs (half of the memory).
_TUNED: dict[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1d",
    "max_wal_size": "1GB",
    "autovacuum": "off",
    "jit": "off",
    # The image's own folder stays the first: that is where clients in the container look.
    "unix_socket_directories": f"/var/run/postgresql,{SOCKETS}",
    # A failed test's report should show what its own sessions have done.
    "log_checkpoints": "off",  # each clone makes two
    "log_line_prefix": "%m [%p] %q%a@%d ",  # the image's own, and of a session whose it is
}
DATABASE = "postgres"
# Outside every VOLUME of the images, and portable from 14 to 18, whose default paths differ.
PGDATA = "/pgdata"


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    """Return what to run for the server `name`; nothing when `url` names an external one.

    Raises SettingError for a `url`, `arguments` or `schema_connects_to` that cannot be used.
    """
    if entries := settings.get("schema_connects_to"):
        _refuse_unreadable(entries)
    if url := settings.get("url"):
        # Tests use the account of the URL: the kit makes no roles on somebody else's server.
        given = {"role": "given", **_extensions(settings)}
        return Spec(service="postgres", name=name, external=parse(url).url(), options=given)
    from wflo_testkit.catalog import official

    return Spec(
        service="postgres",
        name=name,
        networked=False,
        image=settings.get("image") or official("postgres"),
        command=("postgres", *_flags(settings)),
        environment={
            "POSTGRES_USER": settings.get("user") or "postgres",
            "POSTGRES_PASSWORD": "{password}",
            "POSTGRES_DB": DATABASE,
            "POSTGRES_INITDB_ARGS": "--no-sync",
            "PGDATA": PGDATA,
        },
        ports={MAIN: DEFAULT_PORT},
        tmpfs={PGDATA: "rw,mode=0700"},
        sockets=SOCKETS,
        username=settings.get("user") or "postgres",
        options={
            "database": DATABASE,
            "role": settings.get("role") or "owner",
            **_extensions(settings),
        },
        # A superuser's tests may change roles and settings of the whole server.
        per_process=settings.get("role") == "superuser",
        startup_timeout=float(settings.get("startup_timeout") or 60),
    )


def external(spec: Spec) -> PostgresServer:
    """Return the server that `spec.external` names; connects to nothing."""
    address = parse(spec.external)
    own = {"database": address.database, "parameters": dict(address.parameters)}
    return PostgresServer.outside(
        spec,
        address.host,
        address.port,
        username=address.user,
        password=address.password,
        options={**spec.options, **own},
    )


def _extensions(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the option of a server that is to have extensions; they are part of what it is."""
    names = list(dict.fromkeys(settings.get("extensions") or ()))
    return {"extensions": names} if names else {}


def _refuse_unreadable(entries: Sequence[str]) -> None:
    from wflo_testkit.services.postgres.schema.guard.places import named

    for entry in entries:
        named(entry, Path())


def _flags(settings: Mapping[str, Any]) -> list[str]:
    arguments = dict(_TUNED)
    arguments["max_connections"] = str(settings.get("max_connections") or 300)
    arguments.update(_arguments(settings.get("arguments") or {}))
    return [flag for key, value in arguments.items() for flag in ("-c", f"{key}={value}")]


def _arguments(given: Any) -> dict[str, str]:
    """Read {name: value} or ["name=value"]; true and false become on and off."""
    if isinstance(given, Mapping):
        return {str(key): _word(value) for key, value in given.items()}
    pairs = [str(item).partition("=") for item in given] if isinstance(given, list | tuple) else []
    if not pairs or not all(key and equals for key, equals, _value in pairs):
        raise SettingError(
            "postgres_arguments cannot be used",
            cause=f"it is {given!r}",
            fix='write {wal_level = "logical"} or ["wal_level=logical"]',
        )
    return {key.strip(): value.strip() for key, _equals, value in pairs}


def _word(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
