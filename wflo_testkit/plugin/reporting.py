"""How an error of the kit reaches the person who runs the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from wflo_testkit.errors import DockerUnavailable, TestkitError
from wflo_testkit.plugin import without_docker

if TYPE_CHECKING:
    from wflo_testkit.plugin.session import PluginSession


@contextmanager
def report_errors(session: PluginSession) -> Iterator[None]:
    """Report an error of the kit by its own words, without a traceback through the kit.

    Only that no daemon answers may skip a test, and only where the settings say so.
    """
    try:
        yield
    except TestkitError as error:
        failure = error
    else:
        return
    if isinstance(failure, DockerUnavailable) and not session.requires_docker:
        raise without_docker.skipping(failure.text) from None
    raise pytest.fail.Exception(failure.text, pytrace=False) from None
