"""`pytest --wflo-reuse` as a user runs it."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.cases import quick
from tests.conftest import Run
from tests.reuse.parts import kept_by
from wflo_testkit.runtime.reuse.user_folder import UserFolder

SUITE = """
import pytest

@pytest.mark.parametrize("n", range(6))
def test(redis_client, redis_server, n, tmp_path_factory):
    assert redis_client.dbsize() == 0
    redis_client.set("n", n)
    seen = tmp_path_factory.getbasetemp().parent / f"seen-{n}"
    seen.write_text(redis_server.container_id)
"""
REUSE = "[tool.wflo-testkit]\nreuse = true\n"


@pytest.fixture(autouse=True)
def own_home(home: UserFolder) -> UserFolder:
    return home


def summary(result: pytest.RunResult) -> str:
    """Return the closing line about the one server."""
    [line] = [each for each in result.stdout.lines if each.startswith("redis  ")]
    return line


def test_twice_means_the_same_container(run_suite: Run, home: UserFolder) -> None:
    first = run_suite(SUITE, "--wflo-reuse")
    kept = kept_by(home)
    second = run_suite(SUITE, "--wflo-reuse")

    for result in (first, second):
        result.assert_outcomes(passed=6)
    assert "kept for reuse, ready in" in summary(first)
    assert "reused, found in" in summary(second)
    assert kept_by(home) == kept
    assert len(kept) == 1


@pytest.mark.slow
def test_workers_of_xdist_share_it(
    run_suite: Run, home: UserFolder, pytester: pytest.Pytester
) -> None:
    run_suite(SUITE, "--wflo-reuse", "-n", "2", "--basetemp=tmp").assert_outcomes(passed=6)
    result = run_suite(SUITE, "--wflo-reuse", "-n", "2", "--basetemp=tmp")

    result.assert_outcomes(passed=6)
    seen = {path.read_text() for path in pytester.path.glob("**/seen-*")}
    assert sorted(seen) == kept_by(home)
    assert "reused, found in" in summary(result)


DECISIONS: dict[str, tuple[tuple[str, ...], str, str, int]] = {
    "default": ((), "", "", 0),
    "setting": ((), REUSE, "", 1),
    "setting in CI": ((), REUSE, "true", 0),
    "option in CI": (("--wflo-reuse",), "", "true", 1),
    "fresh": (("--wflo-fresh",), REUSE, "", 0),
    "fresh and reuse": (("--wflo-reuse", "--wflo-fresh"), "", "", 0),
}
"""Who decides -> options, file, the variable CI, and how many servers are kept."""


@pytest.mark.slow
@pytest.mark.parametrize("case", quick(DECISIONS, ("setting in CI", "option in CI")))
def test_who_decides_whether_servers_are_kept(
    run_suite: Run,
    home: UserFolder,
    fresh_environment: pytest.MonkeyPatch,
    case: str,
) -> None:
    options, pyproject, ci, kept = DECISIONS[case]
    if ci:
        fresh_environment.setenv("CI", ci)
    source = "def test(redis_client):\n    pass\n"
    run_suite(source, *options, pyproject=pyproject).assert_outcomes(passed=1)

    assert len(kept_by(home)) == kept


@pytest.mark.slow
def test_other_settings_replace_it(run_suite: Run, home: UserFolder) -> None:
    source = "def test(redis_client):\n    pass\n"
    run_suite(source, "--wflo-reuse").assert_outcomes(passed=1)
    old = kept_by(home)
    result = run_suite(source, "--wflo-reuse", "--wflo-redis-databases=32")

    result.assert_outcomes(passed=1)
    assert len(kept_by(home)) == 1
    assert kept_by(home) != old


@pytest.mark.slow
def test_a_failed_tests_data_can_be_looked_at_until_the_next_run(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(redis_client):
            redis_client.set("clue", "here")
            assert False
        """,
        "--wflo-reuse",
    )
    result.assert_outcomes(failed=1)
    [line] = [each for each in result.stdout.lines if " redis-cli " in each]
    command = line.partition(": ")[2].replace(" -it ", " ")

    assert clue(command) == "here"

    run_suite(SUITE, "--wflo-reuse").assert_outcomes(passed=6)
    assert clue(command) == ""


def clue(command: str) -> str:
    """Return what the clue is, by the command that a report has shown."""
    words = [*shlex.split(command), "get", "clue"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_three_runs_at_once_share_it_and_are_green(
    run_suite: Run, home: UserFolder, pytester: pytest.Pytester
) -> None:
    suite = SUITE.replace("range(6)", "range(60)").replace("n, tmp", "n, postgres_session, tmp")
    suite += """
    from sqlalchemy import text
    postgres_session.execute(text("create table things (id int primary key)"))
    postgres_session.execute(text("insert into things values (1)"))
    postgres_session.commit()
"""
    run_suite(suite, "--collect-only")  # writes the files
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--wflo-reuse", "-n", "2"]
    running = [
        subprocess.Popen([*command, f"--basetemp=tmp{n}"], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    said = [process.communicate()[0] for process in running]

    assert [process.returncode for process in running] == [0, 0, 0], said
    assert len(kept_by(home)) == 2
