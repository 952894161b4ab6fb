"""The command line learns from the project's own pytest what its servers run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.services.third_party import installed_as
from wflo_testkit.cli import clean, project
from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.model import Spec

HOOK = """
import dataclasses

def pytest_wflo_spec(spec):
    if spec.name == {name!r}:
        return dataclasses.replace(spec, {change})
"""
LOUD = """
import atexit, os, sys

print("imported", end="")
atexit.register(os.write, 1, b"{} over")

def pytest_configure(config):
    os.write(1, b"{")
    print("configured", end="")

def pytest_unconfigure(config):
    print("{}")

def pytest_wflo_spec(spec):
    print(spec)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, empty_project: pytest.MonkeyPatch) -> Path:
    """The working folder, an empty project."""
    return tmp_path


def test_what_conftests_print_is_no_part_of_the_answer(here: Path) -> None:
    (here / "conftest.py").write_text(LOUD)
    (here / "pytest.ini").write_text(
        "[pytest]\naddopts = -s --wflo-images=local --wflo-redis-databases=3\n"
    )

    told = project.read(here)

    assert told.specs["redis"].options["databases"] == 3
    assert told.settings["images"] == "local"
    assert told.sources == {
        "images": "command line: --wflo-images",
        "redis_databases": "command line: --wflo-redis-databases",
        "warm_images": "environment: WFLO_TESTKIT_WARM_IMAGES",
    }


@pytest.mark.slow
def test_such_prints_do_break_whoever_reads_all_of_it(here: Path) -> None:
    """The check above must be able to fail."""
    (here / "conftest.py").write_text(LOUD)
    command = [project.sys.executable, *project.OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    with pytest.raises(ValueError, match="Expecting"):
        json.loads(done.stdout)
    assert done.stdout.rstrip().endswith("over")


@pytest.mark.slow
def test_a_folder_without_tests_has_the_servers_that_the_kit_brings(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.pytest.ini_options]\ntestpaths = ['tests']\n")

    assert set(project.read(here).specs) >= {"postgres", "redis", "kafka", "temporal"}


@pytest.mark.slow
def test_a_folder_below_the_projects_is_the_same_project(here: Path) -> None:
    (here / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n[tool.wflo-testkit]\nredis_databases = 4\n"
    )
    (here / "src").mkdir()

    assert project.read(here / "src").specs["redis"].options["databases"] == 4


CASES = {
    "conftest": ("conftest.py", "url = 'http://me:secret@host'\n1 / 0", "ZeroDivisionError"),
    "option": ("pytest.ini", "[pytest]\naddopts = --no-such-option", "--no-such-option"),
    "no plugin": ("pytest.ini", "[pytest]\naddopts = -p no:wflo_testkit.plugin", "--wflo-specs"),
    "exit": ("conftest.py", "import os; os._exit(7)", "exit code 7"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_pytest_that_does_not_answer_is_an_error_with_what_it_said(here: Path, case: str) -> None:
    name, text, said = CASES[case]
    (here / name).write_text(text)

    with pytest.raises(TestkitError, match="pytest cannot tell what this project runs") as caught:
        project.read(here)

    assert said in str(caught.value.cause)
    assert "-m pytest --wflo-specs=json" in str(caught.value.looked_at)
    assert str(here) in str(caught.value.looked_at)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_conftest_that_does_not_end_is_given_up(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "conftest.py").write_text("import threading; threading.Event().wait(60)")
    monkeypatch.setattr(project, "TIMEOUT", 1.0)

    with pytest.raises(TestkitError, match="TimeoutExpired"):
        project.read(here)


def test_a_folder_that_is_gone_is_an_error(here: Path) -> None:
    with pytest.raises(TestkitError, match="FileNotFoundError"):
        project.read(here / "gone")


@pytest.mark.slow
@pytest.mark.parametrize("table", ["", "[tool.wflo-testkit.servers.orders]\nservice = 'redis'\n"])
def test_an_error_of_the_settings_is_the_one_that_pytest_would_report(
    here: Path, table: str
) -> None:
    """With servers of the project's own it is met before the servers are looked at."""
    (here / "pyproject.toml").write_text(f"[tool.wflo-testkit]\nimgaes = 'local'\n{table}")

    with pytest.raises(SettingError) as caught:
        project.read(here)

    assert caught.value.what == "unknown setting 'imgaes'"
    assert caught.value.fix == "did you mean 'images'?"
    assert str(here / "pyproject.toml") in str(caught.value.looked_at)


@pytest.mark.slow
def test_a_project_that_measures_its_coverage_keeps_what_it_has_measured(
    here: Path, fresh_environment: pytest.MonkeyPatch
) -> None:
    """pytest-cov begins a run by erasing the file of the last one."""
    fresh_environment.setenv("PYTEST_PLUGINS", "wflo_testkit.plugin,pytest_cov.plugin")
    (here / "pytest.ini").write_text("[pytest]\naddopts = --cov=.\n")
    (here / ".coverage").write_text("measured")

    assert project.read(here).specs
    assert (here / ".coverage").read_text() == "measured"


@pytest.mark.slow
def test_an_error_of_the_hook_names_it(here: Path) -> None:
    (here / "tests").mkdir()
    (here / "tests" / "conftest.py").write_text(HOOK.format(name="redis", change="ports={}"))

    with pytest.raises(SettingError, match="pytest_wflo_spec") as caught:
        project.read(here)

    assert caught.value.cause == "no port 'main'"
    assert str(here / "tests" / "conftest.py:4") in str(caught.value.looked_at)


@pytest.mark.slow
def test_a_service_of_another_package_is_one_of_them(
    here: Path, pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch, root: Path
) -> None:
    source = (root / "tests" / "services" / "third_party" / "notes_service.py").read_text()
    installed_as("notes", source, pytester, fresh_environment)
    fresh_environment.setenv("WFLO_TESTKIT_NOTES_MEMORY", "21mb")

    spec = project.read(here).specs["notes"]

    assert isinstance(spec, Spec)
    assert (spec.service, spec.command[-1]) == ("notes", "21mb")


@pytest.mark.slow
def test_warm_images_are_made_of_what_the_hook_says(
    here: Path, command: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "conftest.py").write_text(HOOK.format(name="postgres", change="image='nowhere/it:1'"))

    assert command("images", "warm", "postgres") == 1

    said = capfd.readouterr().err
    assert "postgres: failed: " in said
    assert "nowhere/it:1" in said


@pytest.mark.slow
def test_what_has_no_warm_image_is_told_from_what_has(here: Path, command: Run) -> None:
    (here / "pyproject.toml").write_text("[tool.wflo-testkit.servers.orders]\nservice = 'kafka'\n")
    from wflo_testkit.cli import warm

    specs = project.read(here).specs

    assert [spec.name for spec, _row in warm._wanted(specs, ["orders"])] == ["orders"]
    assert {"orders", "kafka", "postgres"} == {spec.name for spec, _ in warm._wanted(specs, [])}
    with pytest.raises(SettingError, match="no warm images of 'redis'") as caught:
        list(warm._wanted(specs, ["redis"]))
    assert caught.value.fix == "choose among postgres, kafka, orders"


@pytest.mark.slow
def test_clean_goes_to_the_external_servers_that_the_hook_names(
    here: Path, empty_project: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty_project.setattr("wflo_testkit.broker.starting.EXTERNAL_TIMEOUT", 0.2)
    (here / "conftest.py").write_text(
        HOOK.format(name="redis", change="external='redis://me:secret@127.0.0.1:1/0'")
    )

    assert clean.clear_external() == ["failed"]

    said = capsys.readouterr().out
    assert said.startswith("failed   redis: ")
    assert "127.0.0.1:1" in said
    assert "secret" not in said


@pytest.mark.slow
def test_clean_goes_on_where_pytest_is_broken(
    here: Path, run_id: str, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "conftest.py").write_text("1 / 0")

    assert command("clean", "--run", run_id) == 0
    assert clean.clear_external() == ["failed"]
    assert "pytest cannot tell what this project runs" in capsys.readouterr().out
