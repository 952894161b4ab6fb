"""Where a database is, as one value: parsed from a URL, written as a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from wflo_testkit.errors import SettingError

DEFAULT_PORT = 5432
# asyncpg sends every parameter that it does not know to the server as a setting, so only those
# that it or the server understands may reach it (asyncpg, connect_utils: DSN query).
_FOR_ASYNCPG = ("options", "application_name", "sslmode", "sslcert", "sslkey", "sslrootcert")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A database's host, port, credentials and libpq parameters (`sslmode`, `options`, ...).

    Its repr shows no secret: `sslpassword` is a parameter, too.
    """

    host: str
    port: int
    user: str
    password: str = field(default="", repr=False)
    database: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def server(self) -> str:
        """Host and port: what a socket connects to."""
        return f"{self.host}:{self.port}"

    def url(self) -> str:
        """Return the libpq URI: postgresql://user:password@host:port/database?parameters."""
        return f"postgresql://{self._place()}{_query(self.parameters)}"

    def url_to_show(self) -> str:
        """Return the same without a secret, for reports; psql asks for a password."""
        shown = {key: text for key, text in self.parameters.items() if key != "sslpassword"}
        return replace(self, password="", parameters=shown).url()

    def sqlalchemy_url(self, driver: str) -> str:
        """Return the URL for SQLAlchemy's `driver` ("asyncpg", "psycopg", "psycopg2", ...)."""
        parameters = self._for_asyncpg() if driver == "asyncpg" else self.parameters
        return f"postgresql+{driver}://{self._place()}{_query(parameters)}"

    def keywords(self) -> dict[str, object]:
        """Return the keyword arguments of psycopg.connect."""
        return {**self.parameters, **self._account(), "dbname": self.database}

    def asyncpg_keywords(self) -> dict[str, object]:
        """Return the keyword arguments of asyncpg.connect."""
        return {**self._for_asyncpg(), **self._account(), "database": self.database}

    def _account(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("host", "port", "user", "password")}

    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        password = f":{_quoted(self.password)}" if self.password else ""
        return f"{_quoted(self.user)}{password}@{host}:{self.port}/{_quoted(self.database)}"

    def _for_asyncpg(self) -> dict[str, str]:
        """Wrap the parameters into `dsn`: SQLAlchemy passes a URL's query on as keyword
        arguments, asyncpg.connect has none for `options`, but reads them from its dsn."""
        known = {key: self.parameters[key] for key in _FOR_ASYNCPG if key in self.parameters}
        return {"dsn": f"postgresql:///{_query(known)}"} if known else {}


def parse(text: str, *, setting: str = "postgres_url") -> Address:
    """Read a postgres:// URL; `postgresql+asyncpg://` and other SQLAlchemy drivers will do.

    setting: where the URL was set, for the message.
    Raises SettingError; its text never holds the password.
    """
    try:
        parts = urlsplit(text)
        parameters = _parameters(parts)
        port = parts.port or int(parameters.pop("port", DEFAULT_PORT))
    except ValueError:
        # The error's own text would show a piece of a password with an unquoted slash.
        raise _bad(setting, "its host or port cannot be read; is the password quoted?") from None
    scheme = parts.scheme.partition("+")[0]
    if scheme not in ("postgresql", "postgres"):
        raise _bad(setting, f"its scheme is {scheme!r}, not postgresql")
    host = unquote(parts.hostname or "") or parameters.pop("host", "")
    user = unquote(parts.username or "") or parameters.pop("user", "")
    if not host or not user or "," in host:
        raise _bad(setting, "it must name one host and a user")
    return Address(
        host=host,
        port=port,
        user=user,
        password=unquote(parts.password or "") or parameters.pop("password", ""),
        database=unquote(parts.path.lstrip("/")) or parameters.pop("dbname", "") or user,
        parameters=parameters,
    )


def _parameters(parts: SplitResult) -> dict[str, str]:
    """Return the query of a URL in libpq's words; asyncpg's `ssl` is libpq's `sslmode`."""
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    if ssl := parameters.pop("ssl", ""):
        parameters["sslmode"] = {"true": "require", "false": "disable"}.get(ssl.lower(), ssl)
    for name in ("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"):
        parameters.pop(name, None)  # SQLAlchemy's own, unknown to libpq
    return parameters


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _query(parameters: Mapping[str, str]) -> str:
    # quote, not quote_plus: libpq does not read "+" as a space.
    return "?" + urlencode(parameters, quote_via=quote, safe="") if parameters else ""


def _bad(setting: str, cause: str) -> SettingError:
    return SettingError(
        f"the address of the external Postgres server ({setting}) cannot be used",
        cause=cause,
        looked_at=f"setting {setting}, or one of the variables that set it",
        fix="write it as postgresql://user:password@host:port/database",
    )
