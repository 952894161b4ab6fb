"""`pytest --wflo-specs=json` prints what the servers of a project run, and runs nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Run

BROKEN = "raise RuntimeError('collected')"
PYPROJECT = """
[tool.pytest.ini_options]
addopts = "-n 2 --wflo-redis-databases=3"

[tool.wflo-testkit.servers.orders]
service = "redis"
"""
CONFTEST = """
import dataclasses, os
from pathlib import Path

def pytest_configure(config):
    os.environ["WFLO_TESTKIT_KAFKA_BOOTSTRAP_SERVERS"] = "kafka.example:9092"

def pytest_wflo_spec(spec):
    if spec.name == "orders":
        return dataclasses.replace(spec, image="orders:1", environment={"TOKEN": "secret"})

def pytest_unconfigure(config):
    Path("unconfigured").touch()
"""


def told(result: pytest.RunResult) -> Any:
    assert result.ret == 0, str(result.stdout) + str(result.stderr)
    return json.loads(str(result.stdout))


def test_settings_addopts_conftests_and_the_hook_count_and_nothing_is_collected(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(BROKEN, "--wflo-specs=json", conftest=CONFTEST, pyproject=PYPROJECT)

    answer = told(result)
    specs = answer["specs"]
    assert set(specs) == {"postgres", "redis", "kafka", "temporal", "orders"}
    assert (specs["orders"]["image"], specs["orders"]["service"]) == ("orders:1", "redis")
    assert specs["orders"]["environment"] == {"TOKEN": "secret"}
    assert specs["redis"]["options"]["databases"] == 3
    assert specs["kafka"]["external"] == "kafka.example:9092"
    assert answer["settings"]["images"] == "auto"
    assert answer["sources"]["redis_databases"] == "command line: --wflo-redis-databases"
    assert (pytester.path / "unconfigured").exists()


@pytest.mark.slow
def test_they_are_the_specs_of_a_run(run_suite: Run, pytester: pytest.Pytester) -> None:
    from wflo_testkit.model import Spec

    source = """
    import json
    from pathlib import Path
    from wflo_testkit.plugin.process import PROCESS

    def test_tells(request):
        process = request.config.stash[PROCESS]
        found = {name: process.session.spec(name).fingerprint for name in process.servers}
        Path("found.json").write_text(json.dumps(found))
    """
    run_suite(source, "-n0", conftest=CONFTEST, pyproject=PYPROJECT).assert_outcomes(passed=1)
    specs = told(run_suite(source, "--wflo-specs=json"))["specs"]

    found = {name: Spec.from_json(spec).fingerprint for name, spec in specs.items()}
    assert found == json.loads((pytester.path / "found.json").read_text())


CASES = {
    "setting": ("", "", "unknown setting 'imgaes'", "did you mean 'images'?"),
    "setting, servers": (
        "",
        "[tool.wflo-testkit.servers.orders]\nservice = 'redis'",
        "unknown setting 'imgaes'",
        "did you mean 'images'?",
    ),
    "hook": (
        "def pytest_wflo_spec(spec): raise KeyError",
        None,
        "the hook pytest_wflo_spec failed for the server 'postgres'",
        "dataclasses.replace",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_an_error_is_data_for_programs_a_message_for_people_and_exit_code_4(
    run_suite: Run, case: str
) -> None:
    conftest, servers, what, fix = CASES[case]
    table = "" if servers is None else f"[tool.wflo-testkit]\nimgaes = 'local'\n{servers}"
    result = run_suite(BROKEN, "--wflo-specs=json", conftest=conftest, pyproject=table)

    error = json.loads(str(result.stdout))["error"]
    assert (result.ret, error["kind"], error["what"]) == (4, "SettingError", what)
    assert fix in error["fix"]
    result.stderr.fnmatch_lines([f"ERROR: {what}", "  looked at: *", "  to fix: *"])


@pytest.mark.slow
def test_a_usage_error_of_a_conftest_is_told_the_same_way(run_suite: Run) -> None:
    conftest = """
    import pytest

    def pytest_configure(config):
        raise pytest.UsageError("no such planet")
    """
    result = run_suite(BROKEN, "--wflo-specs=json", conftest=conftest)

    assert result.ret == 4
    assert json.loads(str(result.stdout))["error"]["cause"] == "no such planet"
    result.stderr.fnmatch_lines(["ERROR: no such planet"])


@pytest.mark.slow
def test_a_server_whose_tests_the_hook_skips_is_left_out(run_suite: Run) -> None:
    conftest = """
    import pytest

    def pytest_wflo_spec(spec):
        if spec.name == "kafka":
            pytest.skip("not on this machine")
    """
    specs = told(run_suite(BROKEN, "--wflo-specs=json", conftest=conftest))["specs"]

    assert set(specs) == {"postgres", "redis", "temporal"}


@pytest.mark.slow
def test_there_is_no_other_form(run_suite: Run) -> None:
    result = run_suite(BROKEN, "--wflo-specs=yaml")

    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--wflo-specs: invalid choice: 'yaml'*"])
