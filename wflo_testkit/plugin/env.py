"""The fixture `wflo_env`: the user's own environment variables, filled for one test."""

from __future__ import annotations

from typing import Any

import pytest

from wflo_testkit.plugin.reporting import report_errors
from wflo_testkit.plugin.session import session_of


def filled(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables of the setting `env` with their placeholders filled."""
    session = session_of(request.config)

    def handle_of(name: str) -> Any:
        if name in session.leases:
            return request.getfixturevalue(name)
        kinds = session.service(name).leases  # without one, tests use the server as a whole
        return request.getfixturevalue(f"{name}_{kinds[0].name if kinds else 'server'}")

    with report_errors(session):
        return session.variables.filled(handle_of)
