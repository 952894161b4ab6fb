"""What `alembic upgrade heads` is given, as plain data that another process can read."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic.config import Config

CONNECTION = "connection"
"""The attribute in which env.py finds a connection (Alembic's cookbook)."""

_seen: dict[int, Config] = {}
"""Each Config that is known by its id: held, so that the id stays its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a project's migrations are configured.

    file, toml: paths of an ini file and of a pyproject.toml; "" for none.
    is_whole: whether no other file is to be read, as the command line does with a pyproject.toml
        that lies where it runs.
    options: section -> option -> text as it was set, for a `Config` that a program has made.
    arguments: what its texts may name besides, as in %(name)s.
    attributes: what env.py finds in `config.attributes`.
    live: which Config of this process it is, for one with attributes that no other can read.
    folder: where its relative paths begin, if they do not begin where pytest runs.
    """

    file: str = ""
    toml: str = ""
    is_whole: bool = False
    section: str = "alembic"
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    live: str = ""
    folder: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.file or self.toml or "an Alembic Config"

    @property
    def identity(self) -> str:
        """What tells it from all others, in every process that can read it."""
        return self.live or json.dumps(dataclasses.asdict(self), sort_keys=True)


def of_path(path: Path) -> Source:
    """Return the source for a file that `alembic -c` takes, or for a folder with an env.py."""
    path = path.absolute()
    if path.is_dir():
        return _of_folder(path)
    if path.suffix == ".toml":
        return Source(toml=str(path), folder=str(path.parent))
    return Source(file=str(path), folder=str(path.parent))


def _of_folder(path: Path) -> Source:
    """Flask-Migrate keeps the ini in the folder of the scripts, which it names by a program."""
    ini = path / "alembic.ini"
    return Source(
        file=str(ini) if ini.is_file() else "",
        is_whole=True,
        options={"alembic": {"script_location": str(path).replace("%", "%%")}},
    )


def of_config(config: Config) -> Source:
    """Return the source for a `Config`, with all that a program has set in it."""
    file, parser = config.config_file_name, config.file_config
    # A connection of the project's own leads to a database of its own.
    attributes = {key: each for key, each in config.attributes.items() if key != CONNECTION}
    return Source(
        file=_absolute(file),
        toml=_absolute(getattr(config, "toml_file_name", None)),  # since Alembic 1.16
        is_whole=True,
        section=config.config_ini_section,
        options={name: dict(parser.items(name, raw=True)) for name in parser.sections()},
        arguments={key: str(text) for key, text in config.config_args.items()},
        attributes=attributes,
        live="" if _is_plain(attributes) else _live(config),
        folder=str(Path(file).absolute().parent) if file else "",
    )


def _is_plain(attributes: Mapping[str, Any]) -> bool:
    try:
        json.dumps(attributes)
    except (TypeError, ValueError):
        return False
    return True


def _live(config: Config) -> str:
    _seen[id(config)] = config
    return f"{os.getpid()} {id(config)}"


def _absolute(name: str | os.PathLike[str] | None) -> str:
    return str(Path(name).absolute()) if name else ""


def config_of(source: Source) -> Config:
    """Return the Config that the command `alembic upgrade heads` would have.

    Alembic's own command line makes it, so that all that env.py may ask of it is there, such as
    `cmd_opts`. Raises alembic.util.CommandError, and SystemExit for arguments that this version
    of Alembic does not know.
    """
    from alembic.config import CommandLine

    made: list[Config] = []

    class Command(CommandLine):
        def run_cmd(self, config: Config, options: Any) -> None:  # noqa: ARG002
            made.append(config)

    files = [part for each in (source.file, source.toml) if each for part in ("-c", each)]
    Command().main([*files, "--name", source.section, "upgrade", "heads"])
    [config] = made
    if source.is_whole:
        config.config_file_name = source.file or None
        config.toml_file_name = source.toml or None
    config.config_args.update(source.arguments)
    for section, options in source.options.items():
        for option, text in options.items():
            config.set_section_option(section, option, text)
    config.attributes.update(source.attributes)
    config.stdout = io.StringIO()
    return config
