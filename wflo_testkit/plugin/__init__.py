"""The pytest plugin: its hooks. Loading it costs pytest and the standard library, nothing more."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin import fixtures, outcome, summary
from wflo_testkit.plugin.kit import KIT, Kit
from wflo_testkit.plugin.options import add_options

if TYPE_CHECKING:
    from wflo_testkit.model import Spec


class Hooks:
    """Hooks that the kit calls and users implement, in a conftest.py or a plugin."""

    @staticmethod
    @pytest.hookspec(firstresult=True)
    def pytest_wflo_spec(spec: Spec) -> Spec | None:
        """Return what to run instead of `spec`, or None to leave it; the first answer counts."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    kit = config.stash[KIT] = Kit(config)
    for line in kit.marker_lines():
        config.addinivalue_line("markers", line)
    holder = fixtures.make(kit.names)
    config.pluginmanager.register(holder, "wflo_testkit_fixtures")


def pytest_unconfigure(config: pytest.Config) -> None:
    # The last hook of the controller, after xdist has taken every worker down.
    if (kit := config.stash.get(KIT, None)) is not None:
        try:
            kit.close()
        except TestkitError as error:
            config.get_terminal_writer().line(f"wflo-testkit: {error.text}", red=True)


def pytest_report_header(config: pytest.Config) -> str:
    return summary.header(config.stash[KIT])


def pytest_itemcollected(item: pytest.Item) -> None:
    for name in item.config.stash[KIT].used_by(item):
        item.add_marker(name)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start side by side what the selected tests need, while other tests already run."""
    option = session.config.option
    if not (option.collectonly or getattr(option, "setupplan", False)):
        session.config.stash[KIT].prefetch(session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    outcome.begin(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    outcome.record(item, report)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    summary.write(terminalreporter, config.stash[KIT])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the broker is."""
    node.workerinput["wflo_testkit"] = node.config.stash[KIT].invitation()
