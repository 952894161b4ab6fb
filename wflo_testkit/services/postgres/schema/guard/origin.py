"""Where an address that was refused probably comes from, and what to write instead."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from wflo_testkit.services.postgres.schema.guard.held import of_engine, of_settings
from wflo_testkit.services.postgres.schema.guard.places import UNKNOWN, Place, of_conninfo, of_url
from wflo_testkit.services.postgres.schema.guard.project_code import ProjectCode

_URL = re.compile(r"\w+(?:\+\w+)?://[^\s'\"`<>]+")
_KEY = re.compile(r"""[\s"'{-]*([\w.-]+)["']?\s*[=:](?!//)""")
_OF_A_DATABASE = re.compile(r"DB|DATABASE|PG|POSTGRES|SQL", re.IGNORECASE)
_KEPT_IN = ("*.ini", "*.cfg", "*.conf", "*.toml", "*.yaml", "*.yml", "*.json")
_MOST = 4
_UNKNOWN = "its origin is unknown"


def origin(place: Place, root: Path, asked: Any) -> tuple[str, str]:
    """Say in a sentence where `place` probably comes from; no password is ever part of it.

    asked: the engine or pool that was used, or None.
    Returns the sentence, and the variable, of the environment or .env, that holds the address
    ("" for none).
    """
    try:
        return _origin(place, ProjectCode(root), asked)
    except Exception:  # noqa: BLE001 - it looks at what others wrote; the refusal is what counts
        return _UNKNOWN, ""


def _origin(place: Place, code: ProjectCode, asked: Any) -> tuple[str, str]:
    variable = next(_variables(place), "") or next((n for n, _ in _dotenv(place, code)), "")
    found = list(dict.fromkeys(islice(_sources(place, code, asked), _MOST)))
    told = "it probably comes from " + ", ".join(found) if found else _UNKNOWN
    where = [f"{code.shown(path)}:{line}" for path, line in code.stack[:1]]
    return "; ".join([told, *(f"asked for at {each}" for each in where)]), variable


def advice(place: Place, root: Path, variable: str) -> str:
    """Say what to write so that the schema reaches the test's database, or may go elsewhere."""
    path, root = Path(place.database), root.resolve()
    inside = not place.host and path.is_relative_to(root)
    entry = path.relative_to(root) if inside else place
    meant = f'; or, if it is meant, there: postgres_schema_connects_to = ["{entry}"]'
    return (
        'in env.py use config.get_main_option("sqlalchemy.url") or '
        'config.attributes["connection"], in a callable the URL that it is given; or name the '
        "project's own variable in pyproject.toml, table [tool.wflo-testkit]: "
        f'env = {{ {variable or "DATABASE_URL"} = "{_template(variable)}" }}'
        f"{'' if place == UNKNOWN else meant}"
    )


def _template(variable: str) -> str:
    """Return what the setting `env` needs for the kind of URL that the variable holds now."""
    scheme = os.environ.get(variable, "").partition("://")[0]
    driver = scheme.partition("+")[2]
    return f"{{postgres.sqlalchemy_url:{driver}}}" if driver else "{postgres.url}"


def _sources(place: Place, code: ProjectCode, asked: Any) -> Iterator[str]:
    """Yield what holds the address, the likeliest first."""

    def leads(text: str) -> bool:
        return _leads(text, place)

    engines, settings = of_engine(asked, code), of_settings(leads, code)
    yield from (f"the application's engine {name}" for name in islice(engines, 1))
    yield from (f"the settings object {name}" for name in islice(settings, 2))
    for name in _variables(place):
        # In any case: pydantic reads DATABASE_URL for a field `database_url`.
        word = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
        read = next((at for at, line in code.lines if word.search(line)), "")
        yield f"the environment variable {name}" + (f", read at {read}" if read else "")
    yield from (f"the file {at} ({name})" for name, at in _dotenv(place, code))
    yield from _files(leads, code)
    yield from (f"the code at {at}, where it is written" for at in _written(place, leads, code))


def _variables(place: Place) -> Iterator[str]:
    """Yield the environment's variables that hold the address, or its database's name."""
    for name, text in os.environ.items():
        named = text == place.database and _OF_A_DATABASE.search(name)
        if named or _leads(text, place):
            yield name
    if (service := os.environ.get("PGSERVICE")) and _leads(f"service={service}", place):
        yield "PGSERVICE"


def _dotenv(place: Place, code: ProjectCode) -> Iterator[tuple[str, str]]:
    """Yield the variables of .env files that hold the address, and where they stand."""
    for folder in code.folders():
        for path in sorted(folder.glob(".env*")):
            for at, line in code.lines_of(path):
                name, _, text = line.removeprefix("export ").partition("=")
                if _leads(text.strip().strip("'\""), place):
                    yield name.strip(), at


def _files(leads: Callable[[str], bool], code: ProjectCode) -> Iterator[str]:
    """Yield the lines of files such as alembic.ini that hold the address."""
    paths = (path for folder in code.folders() for kind in _KEPT_IN for path in folder.glob(kind))
    for path in dict.fromkeys(paths):
        for at, line in code.lines_of(path):
            if any(leads(url) for url in _URL.findall(line)):
                key = f" ({found[1]})" if (found := _KEY.match(line)) else ""
                yield f"the file {at}{key}, read by the project's own code"


def _written(place: Place, leads: Callable[[str], bool], code: ProjectCode) -> Iterator[str]:
    """Yield the lines of code that hold the address, else those that name the database."""
    hits = [at for at, line in code.lines if any(leads(url) for url in _URL.findall(line))]
    name = re.escape(Path(place.database).name)
    quoted = re.compile(rf"""['"/=]{name}['"?\s]""")
    yield from hits or islice((at for at, line in code.lines if quoted.search(line)), 1)


def _leads(text: str, place: Place) -> bool:
    try:
        if "://" in text:
            return place in of_url(text)
        return bool(re.search(r"\b(dbname|service)\s*=", text)) and place in of_conninfo(text)
    except Exception:  # noqa: BLE001 - it is somebody's text, and no address after all
        return False
