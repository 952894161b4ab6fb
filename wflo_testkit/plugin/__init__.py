"""The pytest plugin: its hooks. Loading it costs pytest and the standard library, nothing more.

A suite that uses no service pays for names alone: of options, fixtures and markers. Everything
else, the hooks around each test among it, is loaded when a selected test uses a kit's fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import services
from wflo_testkit.plugin import declarations
from wflo_testkit.plugin.process import CURRENT, PROCESS, PytestProcess

if TYPE_CHECKING:
    from wflo_testkit.model import Spec
    from wflo_testkit.plugin.process import Session


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
    declarations.add_options(parser, flags)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Do what `--wflo-specs` or `--wflo-up` asks for, in place of a run."""
    if config.option.wflo_specs is not None:
        from wflo_testkit.plugin import specs

        specs.show(config)
        return 0
    if config.option.wflo_up is not None:
        from wflo_testkit.plugin import up

        return up.serve(config)
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Note what this process is, and make its fixtures."""
    fixtures = services.fixtures()
    process = config.stash[PROCESS] = PytestProcess(config, fixtures, _session)
    for line in process.marker_lines():
        config.addinivalue_line("markers", line)
    holder, process.fixture_functions = declarations.make(process.servers, fixtures, process.leases)
    config.pluginmanager.register(holder, "wflo_testkit_fixtures")
    CURRENT.append(process)
    if (scoped := sys.modules.get("wflo_testkit.plugin.scoped")) is not None:
        _finish(scoped, process)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the kit's part in this process: after the last worker is down."""
    # The last hook of the controller, after xdist has taken every worker down.
    if (process := config.stash.get(PROCESS, None)) is None:
        return
    if process in CURRENT:
        CURRENT.remove(process)
    try:
        process.close()
    except Exception as error:
        from wflo_testkit.errors import TestkitError

        if not isinstance(error, TestkitError):
            raise
        config.get_terminal_writer().line(f"wflo-testkit: {error.text}", red=True)


def pytest_report_header(config: pytest.Config) -> str:
    """Say which version, run and servers there are."""
    return config.stash[PROCESS].header()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark each test with the servers that it uses, before anybody selects by marker."""
    config.stash[PROCESS].mark(items)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start side by side what the selected tests need, while other tests already run."""
    option, process = session.config.option, session.config.stash[PROCESS]
    is_broken = session.testsfailed and not option.continue_on_collection_errors
    is_for_show = option.collectonly or getattr(option, "setupplan", False)
    if process.is_used and not is_for_show and not is_broken:
        from wflo_testkit.plugin import prefetch

        prefetch.begin(process, session.items)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write a line for each server that was asked for."""
    if (process := config.stash[PROCESS]).has_broker:
        from wflo_testkit.plugin import summary

        summary.write(terminalreporter, process)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Make what workers of xdist are told, while they start."""
    config.stash[PROCESS].open_socket()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the broker is."""
    node.workerinput["wflo_testkit"] = node.config.stash[PROCESS].invite()


def _finish(scoped: Any, process: PytestProcess) -> None:
    """Complete what the first conftest.py has made with `scoped`."""
    from wflo_testkit.errors import SettingError

    try:
        scoped.finish(process)
    except SettingError as error:
        raise pytest.UsageError(error.text) from None


def _session(process: PytestProcess) -> Session:
    """Return what a process needs once a test uses the kit; every test is watched from now on."""
    from wflo_testkit.plugin import watch
    from wflo_testkit.plugin.session import PluginSession

    watch.watch(process.config)
    return PluginSession(process)
