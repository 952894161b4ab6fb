"""Where a database is: read from what drivers, URLs and the setting say, to be compared."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from wflo_testkit.errors import SettingError
from wflo_testkit.services.postgres.address import DEFAULT_PORT

SOCKETS = "/var/run/postgresql"
"""Stands for libpq's own folder of Unix sockets, which differs between builds."""

LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Place:
    """A database: of a server, or an sqlite file, whose absolute path is the `database`."""

    host: str
    port: int
    database: str

    def __str__(self) -> str:
        if not self.host or self == UNKNOWN:
            return self.host or self.database
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"


UNKNOWN = Place("an unknown server", 0, "?")
"""Where an address leads that cannot be resolved; never allowed."""


def of_server(host: Any, port: Any, database: Any) -> Place:
    """Return the place of a database on a server; the loopback addresses are one host."""
    try:
        return Place(_host(str(host)), int(port), str(database))
    except ValueError:
        return UNKNOWN


def of_sqlite(database: Any) -> list[Place]:
    """Return the file that `sqlite3.connect(database)` opens; none for one in memory."""
    text = os.fsdecode(database)
    if text.startswith("file:"):
        text = _path_of_uri(text)
    if text in ("", ":memory:"):
        return []
    return [Place("", 0, str(Path(text).resolve()))]


def of_libpq(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> list[Place]:
    """Return where libpq connects to, given these of its options: a place for each host.

    What is not given comes from the service file, from PG* variables and from defaults, in this
    order (PostgreSQL manual, libpq: Database Connection Control Functions).
    """
    given = {key: str(value) for key, value in options.items() if value is not None}
    service = given.get("service") or environ.get("PGSERVICE")
    if service:
        found = _service_options(service, given.get("servicefile") or "")
        if found is None:
            return [UNKNOWN]
        given = {**found, **given}
    for key, name in _VARIABLES.items():
        given.setdefault(key, environ.get(name, ""))
    database = given["dbname"] or given["user"] or _account()
    hosts = (given["hostaddr"] or given["host"] or SOCKETS).split(",")
    ports = given["port"].split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        return [UNKNOWN]
    pairs = zip(hosts, ports, strict=True)
    return [of_server(host or SOCKETS, port or DEFAULT_PORT, database) for host, port in pairs]


def of_asyncpg(options: Mapping[str, Any]) -> list[Place]:
    """Return where asyncpg connects to; other than libpq it prefers a dsn's host to its query."""
    dsn = options.get("dsn")
    found = _of_uri(str(dsn), host_first=True) if dsn else {}
    names = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
    given = {new: options[old] for old, new in names.items() if options.get(old)}
    for key in ("host", "port"):
        if isinstance(given.get(key), list | tuple):
            given[key] = ",".join(str(each) for each in given[key])
    service = {"service": options.get("service"), "servicefile": options.get("servicefile")}
    return of_libpq({**found, **given, **{key: value for key, value in service.items() if value}})


def of_conninfo(text: str) -> list[Place]:
    """Return where libpq connects to, given a text of keywords and values ("host=... dbname=...").

    Raises psycopg.ProgrammingError.
    """
    from psycopg.conninfo import conninfo_to_dict

    return of_libpq(conninfo_to_dict(text))


def of_kit(url: str) -> Place:
    """Return the place of the kit's own `url`, a libpq URI that says all by itself."""
    return of_libpq(_of_uri(url), {})[0]


def of_url(url: str) -> list[Place]:
    """Return where a URL leads, whatever its scheme: that of libpq, SQLAlchemy or sqlite."""
    scheme, _, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        return of_sqlite(unquote(rest.partition("?")[0]).removeprefix("/"))
    if kind in ("postgresql", "postgres"):
        return of_libpq(_of_uri(url))
    parts = urlsplit(url)
    return [of_server(parts.hostname or "", parts.port or 0, parts.path.lstrip("/"))]


def named(entry: str, root: Path) -> Place:
    """Return the place that an entry of `postgres_schema_connects_to` names.

    entry: "host:5432/db", or the path of an sqlite file, relative to `root`. Raises SettingError.
    """
    if match := re.fullmatch(r"(\[[^\]@]+\]|[^\[\]:@]+):(\d+)/([^/]+)", entry):
        return of_server(match[1].strip("[]"), match[2], match[3])
    path = Path(entry).expanduser()
    if re.search("[:@]", entry) or not (path.suffix or entry.startswith((".", "/", "~"))):
        raise SettingError(
            f"postgres_schema_connects_to cannot hold {entry.rpartition('@')[2]!r}",
            cause="it is neither host:port/database nor the path of an sqlite file",
            looked_at="pyproject.toml: [tool.wflo-testkit] postgres_schema_connects_to",
            fix='write it as "localhost:5432/app" or "data/app.sqlite", without user and password',
        )
    return Place("", 0, str((root / path).resolve()))


_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
}


def _host(host: str) -> str:
    text = host.strip("[]").lower()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return LOCALHOST if text == LOCALHOST else host if "/" in host else text
    mapped = getattr(address, "ipv4_mapped", None)
    return LOCALHOST if (mapped or address).is_loopback else str(mapped or address)


def _account() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _path_of_uri(text: str) -> str:
    """Return the path in an sqlite URI; "" for a database in memory (sqlite.org/uri.html)."""
    path, _, query = text.removeprefix("file:").partition("#")[0].partition("?")
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    words = dict(parse_qsl(query, keep_blank_values=True))
    in_memory = words.get("mode") == "memory" or words.get("vfs") == "memdb"
    return "" if in_memory else unquote(path)


def _of_uri(text: str, *, host_first: bool = False) -> dict[str, str]:
    """Read a postgresql:// URI into libpq's options; host_first: before those of the query."""
    parts = urlsplit(text)
    words = {"dbname": unquote(parts.path.lstrip("/"))}
    account, _, netloc = parts.netloc.rpartition("@")
    words["user"] = unquote(account.partition(":")[0])
    hosts = [_host_and_port(each) for each in netloc.split(",")]
    words["host"] = ",".join(unquote(host) for host, _port in hosts)
    words["port"] = ",".join(port for _host, port in hosts)
    words = {key: value for key, value in words.items() if value.strip(",")}
    query = {_WORDS.get(key, key): value for key, value in parse_qsl(parts.query)}
    return {**query, **words} if host_first else {**words, **query}


_WORDS = {"database": "dbname"}


def _host_and_port(text: str) -> Iterable[str]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


def _service_options(service: str, file: str = "") -> dict[str, str] | None:
    """Return the options of a service; None where it is not found or an LDAP server knows it.

    file: where to look first, else PGSERVICEFILE, else ~/.pg_service.conf; then in PGSYSCONFDIR
    (PostgreSQL manual, libpq: The Connection Service File).
    """
    own = file or os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf"
    found = _section(Path(own), service)
    if found is None and (folder := os.environ.get("PGSYSCONFDIR")):
        found = _section(Path(folder) / "pg_service.conf", service)
    return found


def _section(path: Path, service: str) -> dict[str, str] | None:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError:
        return None
    if f"[{service}]" not in lines:
        return None
    found: dict[str, str] = {}
    for line in lines[lines.index(f"[{service}]") + 1 :]:
        if line.startswith("["):
            break
        if line.startswith("ldap"):
            return None
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key.strip(), value.strip())
    return found
