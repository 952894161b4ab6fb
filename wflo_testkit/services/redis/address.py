"""Where a Redis is, as one value: parsed from a URL, written as a URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from wflo_testkit.errors import SettingError

DEFAULT_PORT = 6379
SCHEMES = ("redis", "rediss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Host, port, logical database and account; `query` holds a client's own parameters.

    scheme: "redis", or "rediss" for TLS. username: "" for the server's default user.
    """

    host: str
    port: int = DEFAULT_PORT
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    scheme: str = "redis"
    query: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """redis://user:password@host:port/db, as `redis.Redis.from_url` and redis-cli read it."""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self._account()}{host}:{self.port}/{self.db}{query}"

    def _account(self) -> str:
        if not self.username and not self.password:
            return ""
        return f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@"


def parse(text: str, *, setting: str = "redis_url") -> Address:
    """Read redis://[[user]:password@]host[:port][/db][?query] or the same with rediss://.

    setting: where the URL was set, for the message.
    Raises SettingError; its text never holds the password.
    """
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        # The error's own text would show a piece of a password with an unquoted slash.
        raise _bad(setting, "its host or port cannot be read; is the password quoted?") from None
    if parts.scheme not in SCHEMES:
        raise _bad(setting, f"its scheme is {parts.scheme!r}, not one of {', '.join(SCHEMES)}")
    if not parts.hostname:
        raise _bad(setting, "it names no host")
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    # Clients prefer a `db` in the query to the path (redis-py, parse_url).
    number = parameters.pop("db", "") or unquote(parts.path).strip("/") or "0"
    if not (number.isascii() and number.isdigit()):
        raise _bad(setting, "its path is not the number of a database; is the password quoted?")
    return Address(
        host=unquote(parts.hostname),
        port=port,
        db=int(number),
        username=unquote(parts.username or "") or parameters.pop("username", ""),
        password=unquote(parts.password or "") or parameters.pop("password", ""),
        scheme=parts.scheme,
        query=urlencode(parameters),
    )


def _bad(setting: str, cause: str) -> SettingError:
    return SettingError(
        f"the address of the external Redis server ({setting}) cannot be used",
        cause=cause,
        looked_at=f"setting {setting}, or the variable that sets it",
        fix="write it as redis://user:password@host:port/0",
    )
