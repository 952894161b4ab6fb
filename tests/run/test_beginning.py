"""When a broker begins, and that it begins whatever the tests' process is like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import quick
from tests.conftest import Run

PLAIN = "def test_plain(): pass\n"
DESK = "def test_desk(desks_desk): assert desks_desk.data['desk'] == 0\n"
QUIETLY = "--wflo-leftovers=ignore"  # a desk never comes back without a cup on it

TELLS = """
import sys
from wflo_testkit.plugin.process import PROCESS

def pytest_terminal_summary(terminalreporter, config):
    ours = sorted(name for name in sys.modules if name.startswith("wflo_testkit.services."))
    terminalreporter.line(f"broker: {config.stash[PROCESS].has_broker}, rows: {ours}")
"""


@pytest.mark.usefixtures("desks_installed")
@pytest.mark.parametrize(
    "options",
    quick(
        ("", "-n2", "--collect-only", "--setup-plan", "-k plain", "-k plain -n2", "--fixtures"),
        ("-n2",),
    ),
)
def test_a_run_without_a_kit_test_starts_nothing(run_suite: Run, options: str) -> None:
    without = PLAIN if options in ("", "-n2") else PLAIN + DESK
    result = run_suite(without, *options.split(), conftest=TELLS)

    assert result.ret == 0
    if options != "--fixtures":
        result.stdout.fnmatch_lines(["broker: False, rows: []"])


@pytest.mark.slow
@pytest.mark.usefixtures("desks_installed")
@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "workers"])
def test_a_run_with_one_starts_a_broker_and_loads_no_row_in_a_controller(
    run_suite: Run, options: tuple[str, ...]
) -> None:
    result = run_suite(PLAIN + DESK, QUIETLY, *options, conftest=TELLS)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["broker: True, rows: *"])


ODD = {
    "sys.executable is empty": "sys.executable = ''",
    "the current folder is gone": "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
    "the current folder is another": "os.chdir('/')",
    "a umask that takes everything": "os.umask(0o777)",
    "a home of Python's that is none": "os.environ['PYTHONHOME'] = '/nowhere'",
    "a start-up file": "os.environ['PYTHONSTARTUP'] = '/nowhere'",
    "an empty environment": "os.environ.clear()",
    "coverage.py's hook": "os.environ['COVERAGE_PROCESS_START'] = '/nowhere/coveragerc'",
    "a path with odd members": "sys.path[:0] = ['', 'relative', '/nowhere/at/all.zip']",
}


FIRST = """
import os, sys
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    """


@pytest.mark.usefixtures("desks_installed")
@pytest.mark.parametrize("what", quick(ODD, ("sys.executable is empty",)))
def test_it_begins_whatever_the_tests_process_is_like(run_suite: Run, what: str) -> None:
    conftest = f"import os, sys\n\ndef pytest_runtestloop():\n    {ODD[what]}\n"
    ordered = conftest.replace(
        "def pytest", "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest"
    )
    result = run_suite(DESK, QUIETLY, "-p", "no:cacheprovider", conftest=ordered)

    result.assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.usefixtures("desks_installed")
def test_its_settings_may_be_changed_in_code(run_suite: Run) -> None:
    conftest = "def pytest_configure(config): config.option.wflo_debug = True"
    result = run_suite(DESK, QUIETLY, conftest=conftest)

    result.stdout.fnmatch_lines(["*the broker's log*", "*main asks: lease"])


NEEDS_TESTS = """
import sys

if "pytest" not in sys.modules:
    raise ImportError("not here")
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "worker"])
def test_a_service_that_does_not_load_there_fails_its_asker_and_nobody_else(
    run_suite: Run, desks_installed: Path, workers: tuple[str, ...]
) -> None:
    broken = desks_installed / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (broken / "entry_points.txt").write_text("[wflo_testkit.services]\nbroken = broken:SERVICE\n")
    source = (desks_installed / "desks.py").read_text()
    text = source.replace('"desks"', '"broken"').replace("import threading", NEEDS_TESTS, 1)
    (desks_installed / "broken.py").write_text(
        text.replace("from __future__ import annotations\n", "").replace(
            "class Desks", "import threading\n\nclass Desks"
        )
    )
    result = run_suite(DESK + "def test_broken(broken_desk): pass", QUIETLY, *workers)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*the service 'broken' is not found outside of pytest*", "*not here*"]
    )


@pytest.mark.slow
@pytest.mark.usefixtures("desks_installed")
def test_another_version_of_the_kit_is_an_error_that_names_both(run_suite: Run) -> None:
    conftest = "from wflo_testkit.broker import client\n\nclient.__version__ = '0.0.1'"
    result = run_suite(DESK, conftest=conftest)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the broker is of wflo-testkit *, this process has 0.0.1*"])
