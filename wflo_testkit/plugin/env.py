"""The fixture `wflo_env`: the user's own environment variables, filled for one test."""

from __future__ import annotations

from typing import Any

import pytest

from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.plugin.reporting import report_errors
from wflo_testkit.run import variables


def filled(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables of the setting `env` with their placeholders filled."""
    session = request.config.stash[PROCESS].session

    def handle_of(name: str) -> Any:
        if name in session.leases:
            return request.getfixturevalue(name)
        kinds = session.service(name).leases  # without one, tests use the server as a whole
        return request.getfixturevalue(f"{name}_{kinds[0].name if kinds else 'server'}")

    with report_errors(session):
        templates = session.settings["env"].items()
        return {key: variables.filled(key, text, session, handle_of) for key, text in templates}
