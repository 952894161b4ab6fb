"""What to run for Redis, from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN, Spec
from wflo_testkit.service import Option
from wflo_testkit.services.redis.address import DEFAULT_PORT, parse
from wflo_testkit.services.redis.server import SOCKET, RedisServer

MODES = ("database", "prefix")
DATABASES = 1024
SOCKETS = "/var/tmp"  # noqa: S108 - in the container
PREFIX = "wflo-testkit:"
ADMINISTRATOR = "wflo-testkit"
"""The kit's own account: what a test does to `default`, or to its password, does not concern it."""

OPTIONS = (
    Option(
        key="redis_url",
        default="",
        help="an external server, as redis://user:password@host:port/0; it is never flushed",
    ),
    Option(
        key="redis_isolation",
        default=MODES[0],
        choices=MODES,
        help="what a test gets to itself: a logical database, or (always on an external server) "
        "the keys and channels with a prefix",
    ),
    Option(
        key="redis_databases",
        default=DATABASES,
        help="logical databases of the kit's server; each test holds one",
    ),
    Option(
        key="redis_arguments",
        default=[],
        help='further arguments of redis-server: ["--maxmemory", "64mb"]',
        on_command_line=False,
    ),
    Option(
        key="redis_prefix",
        default=PREFIX,
        help="start of every key and channel in isolation `prefix`",
        on_command_line=False,
    ),
    Option(
        key="redis_decode_responses",
        default=False,
        help="whether the clients that the kit gives out return str instead of bytes",
        on_command_line=False,
    ),
)


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    """Return what to run for the server `name`; nothing when `url` names an external one.

    Raises SettingError for a `url`, `prefix` or `databases` that cannot be used.
    """
    prefix = _prefix(str(settings.get("prefix") or PREFIX))
    if url := settings.get("url"):
        own = {"prefix": prefix}
        return Spec(service="redis", name=name, external=parse(url).url, options=own)
    from wflo_testkit.catalog import official

    databases = _databases(settings)
    return Spec(
        service="redis",
        name=name,
        networked=False,
        image=settings.get("image") or official("redis"),
        command=(*_command(databases), *map(str, settings.get("arguments") or ())),
        ports={MAIN: DEFAULT_PORT},
        sockets=SOCKETS,
        username=ADMINISTRATOR,
        environment={"REDISCLI_AUTH": "{password}"},  # for whoever looks into the container
        options={"databases": databases, "prefix": prefix},
        startup_timeout=float(settings.get("startup_timeout") or 60),
    )


def external(spec: Spec) -> RedisServer:
    """Return the server that `spec.external` names; connects to nothing."""
    address = parse(spec.external)
    own = {"db": address.db, "scheme": address.scheme, "query": address.query}
    return RedisServer.outside(
        spec,
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        options={**spec.options, **own},
    )


def _command(databases: int) -> tuple[str, ...]:
    """Return the command of a server that keeps nothing on disk.

    `default`, the account of clients that name none, is off: a password that a test gives it by
    CONFIG SET requirepass, or takes away, lets nobody in and keeps nobody out. In protected mode,
    which looks at that password alone, the server would turn away everybody from outside.
    """
    return (
        "redis-server",
        *("--save", "", "--appendonly", "no"),
        *("--databases", str(databases)),
        *("--unixsocket", f"{SOCKETS}/{SOCKET}", "--unixsocketperm", "777"),
        *("--user", ADMINISTRATOR, "on", "#{password_sha256}", "~*", "&*", "+@all"),
        *("--user", "default", "off", "--protected-mode", "no"),
    )


def _databases(settings: Mapping[str, Any]) -> int:
    databases = int(settings.get("databases") or DATABASES)
    if databases < 2:
        raise SettingError(
            f"redis_databases = {databases} leaves none for a test",
            cause="database 0 is the server's own; tests get the others",
            fix="set at least 2, and at least one more than tests run at the same time",
        )
    return databases


def _prefix(text: str) -> str:
    """Check a prefix: Redis refuses blanks and nulls in the patterns of an ACL rule."""
    if any(character.isspace() or character == "\0" for character in text):
        raise SettingError(
            f"redis_prefix = {text!r} cannot be used",
            cause="an access rule of Redis may not contain blanks",
            fix=f"use letters, digits and punctuation, such as {PREFIX!r}",
        )
    return text
