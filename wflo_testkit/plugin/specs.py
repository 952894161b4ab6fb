"""`pytest --wflo-specs=json`: what a project's servers run, for whoever is not its pytest."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from wflo_testkit import __version__, errors, settings
from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin.session import session_of

if TYPE_CHECKING:
    from wflo_testkit.model import Json
    from wflo_testkit.plugin.session import PluginSession


def show(config: pytest.Config) -> None:
    """Print, as JSON, what the servers of the project run; starts nothing.

    Keys: wflo_testkit (its version), settings (the general ones), sources (of each setting that
    is not at its default), warnings, specs (by server, passwords that somebody has set included),
    leases (those that the file declares, by name: of, scope, and what they contain as it stands
    there);
    or `error`, see errors.to_json. cli/project.py reads it.
    Raises pytest.UsageError for settings or a hook that cannot be used.
    """
    objection = None
    try:
        # As pytest does for --help: conftests may set something there.
        config._do_configure()  # noqa: SLF001
        told = _told(session_of(config))
    except (TestkitError, pytest.UsageError, pytest.fail.Exception) as error:
        objection = error if isinstance(error, TestkitError) else error.__cause__ or error
        told = {"error": errors.to_json(objection)}
    sys.stdout.write(json.dumps({"wflo_testkit": __version__} | told, indent=2) + "\n")
    if objection is not None:
        raise pytest.UsageError(str(objection)) from objection


def _told(session: PluginSession) -> dict[str, Json]:
    loaded, specs = session.settings, {}
    for name in session.servers:
        with suppress(pytest.skip.Exception):  # by the hook: so are the tests that use it
            specs[name] = session.spec(name).to_json()
    return {
        "settings": {option.key: loaded[option.key] for option in settings.GENERAL},
        "sources": loaded.changed(),
        "warnings": loaded.warnings,
        "specs": specs,
        "leases": {name: lease.to_json() for name, lease in loaded.leases.items()},
    }
