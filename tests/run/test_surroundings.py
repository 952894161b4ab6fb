"""A broker begins and ends well however pytest is called, and wherever services lie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.lifecycle.runs import lives
from wflo_testkit.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("desks_installed")]

QUIETLY = "--wflo-leftovers=ignore"
DESK = "def test_desk(desks_desk): assert desks_desk.call('look')['desk'] == 0\n"
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:randomly", QUIETLY)

DIES = """
import os, signal, sys
from wflo_testkit.plugin.process import PROCESS

sys.path.append("{root}")
from tests.lifecycle import processes

def test_it(desks_desk, request):
    run = request.config.stash[PROCESS].run
    [broker] = processes.that_name(f"broker of run {run}")
    os.kill(broker, signal.SIGSTOP)
    os.write(1, f"broker is {broker}".encode())
    os._exit(3)
"""


def test_a_pipe_ends_with_pytest_though_its_broker_goes_on(
    pytester: pytest.Pytester, root: Path
) -> None:
    pytester.makepyfile(DIES.replace("{root}", str(root)))
    command = f"{sys.executable} -m pytest -s {' '.join(PLUGINS)} 2>&1 | tee said"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)

    broker = int(done.stdout.rpartition("broker is ")[2])
    assert lives(broker)
    os.kill(broker, signal.SIGCONT)
    wait_until(lambda: not lives(broker), timeout=30, describe="the broker ends")


def test_a_debugger_stops_a_test_and_what_it_holds_stays(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_stopped(desks_desk):
            breakpoint()
            assert desks_desk.call("look")["desk"] == 0

        def test_next(desks_desk):
            assert desks_desk.data["desk"] == 0
        """
    )
    commands = b"from wflo_testkit.wait import pause; pause(1.5)\ndesks_desk.call('recall')\nc\n"
    command = (sys.executable, "-m", "pytest", *PLUGINS)
    result = pytester.run(*command, stdin=commands, timeout=60)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*(Pdb)*[[][]]*"])


def test_pytests_own_script_does_as_well(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(DESK)
    script = Path(sys.executable).with_name("pytest")

    pytester.run(script, *PLUGINS, timeout=60).assert_outcomes(passed=1)


def test_what_a_service_needs_may_lie_in_what_an_ini_file_names(
    run_suite: Run, desks_installed: Path
) -> None:
    text = (desks_installed / "desks.py").read_text()
    row = text.replace("isolation=Desks", "isolation=lazy('rooms:Desks')")
    imports = "from wflo_testkit.service import lazy\n\nSERVICE ="
    (desks_installed / "desks.py").write_text(row.replace("SERVICE =", imports))
    files = {"other.ini": "[pytest]\npythonpath = src\n", "src/rooms.py": text}

    assert row != text
    run_suite(DESK, QUIETLY, "-c", "other.ini", files=files).assert_outcomes(passed=1)
    run_suite(DESK, QUIETLY).assert_outcomes(errors=1)


def zipped(site: Path, archive: Path, **more: str) -> None:
    """Move what lies in a folder into an archive."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in site.rglob("*"):
            if path.is_file():
                file.write(path, path.relative_to(site))
        for name, text in more.items():
            file.writestr(f"{name}.py", text)


def test_a_service_may_lie_in_an_archive(
    run_suite: Run,
    desks_installed: Path,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zipped(desks_installed, pytester.path / "site.zip")
    monkeypatch.setenv("PYTHONPATH", "site.zip")

    run_suite(DESK, QUIETLY).assert_outcomes(passed=1)


def test_pytest_may_be_called_by_a_zipapp_that_holds_the_service(
    desks_installed: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(DESK)
    main = f"import pytest\nraise SystemExit(pytest.main({list(PLUGINS)!r}))\n"
    zipped(desks_installed, pytester.path / "app.pyz", __main__=main)
    monkeypatch.delenv("PYTHONPATH")

    pytester.run(sys.executable, "app.pyz", timeout=60).assert_outcomes(passed=1)
