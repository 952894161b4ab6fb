"""The pytest plugin: its hooks. Loading it costs pytest and the standard library, nothing more.

A suite that uses no service pays for names alone: of options, fixtures and markers. Everything
else, the hooks around each test among it, is loaded when a selected test uses a kit's fixture.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import services
from wflo_testkit.plugin import shims
from wflo_testkit.plugin.kit import KIT, Kit

if TYPE_CHECKING:
    from wflo_testkit.model import Spec
    from wflo_testkit.plugin.live import Live


class Hooks:
    """Hooks that the kit calls and users implement, in a conftest.py or a plugin."""

    @staticmethod
    @pytest.hookspec(firstresult=True)
    def pytest_wflo_spec(spec: Spec) -> Spec | None:
        """Return what to run instead of `spec`, or None to leave it; the first answer counts."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make `pytest_wflo_spec` known."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register `--wflo-*`, one option for each setting that has one."""
    try:
        flags = services.flags()
    except Exception as error:
        from wflo_testkit.errors import TestkitError

        if isinstance(error, TestkitError):
            raise pytest.UsageError(error.text) from None
        raise
    shims.add_options(parser, flags)


def pytest_configure(config: pytest.Config) -> None:
    """Make this process's kit and its fixtures."""
    fixtures = services.fixtures()
    kit = config.stash[KIT] = Kit(config, fixtures, _live)
    for line in kit.marker_lines():
        config.addinivalue_line("markers", line)
    holder, kit.shims = shims.make(kit.servers, fixtures)
    config.pluginmanager.register(holder, "wflo_testkit_fixtures")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the kit's part in this process: after the last worker is down."""
    # The last hook of the controller, after xdist has taken every worker down.
    if (kit := config.stash.get(KIT, None)) is not None:
        from wflo_testkit.errors import TestkitError

        try:
            kit.close()
        except TestkitError as error:
            config.get_terminal_writer().line(f"wflo-testkit: {error.text}", red=True)


def pytest_report_header(config: pytest.Config) -> str:
    """Say which version, run and servers there are."""
    return config.stash[KIT].header()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark each test with the servers that it uses, before anybody selects by marker."""
    config.stash[KIT].mark(items)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start side by side what the selected tests need, while other tests already run."""
    option, kit = session.config.option, session.config.stash[KIT]
    is_broken = session.testsfailed and not option.continue_on_collection_errors
    is_for_show = option.collectonly or getattr(option, "setupplan", False)
    if kit.is_used and not is_for_show and not is_broken:
        kit.live.prefetch(session.items)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write a line for each server that was asked for."""
    if (kit := config.stash[KIT]).has_broker:
        from wflo_testkit.plugin import summary

        summary.write(terminalreporter, kit)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the broker is."""
    node.workerinput["wflo_testkit"] = node.config.stash[KIT].invite()


def _live(kit: Kit) -> Live:
    from wflo_testkit.plugin.live import Live

    return Live(kit)
