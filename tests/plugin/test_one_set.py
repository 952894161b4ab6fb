"""One set of containers serves a whole run, however many processes it has."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run

COUNTED = """
import os, pytest

@pytest.mark.parametrize("n", range(24))
def test_alone(redis_client, redis_server, n, tmp_path_factory):
    assert redis_client.dbsize() == 0
    redis_client.set("n", n)
    seen = tmp_path_factory.getbasetemp().parent / f"seen-{os.getpid()}-{n}"
    seen.write_text(redis_server.container_id)
"""


@pytest.mark.slow
def test_four_workers_share_one_container(run_suite: Run, pytester: pytest.Pytester) -> None:
    result = run_suite(COUNTED, "-n", "4", "--basetemp=tmp", "--wflo-report=report.json")

    result.assert_outcomes(passed=24)
    seen = list(pytester.path.glob("**/seen-*"))
    [row] = json.loads((pytester.path / "report.json").read_text())["services"]
    assert len(seen) == 24
    assert len({path.name.split("-")[1] for path in seen}) == 4
    assert len({path.read_text() for path in seen}) == 1
    assert row["leases"] == 24


@pytest.mark.slow
def test_a_failing_start_is_tried_once_for_all_workers(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(
        """
        import pytest

        @pytest.mark.parametrize("n", range(8))
        def test(redis_client, n):
            pass
        """,
        "-n",
        "2",
        pyproject="""
        [tool.wflo-testkit]
        redis_arguments = ["--no-such-option", "1"]
        """,
    )
    result.assert_outcomes(errors=8)
    text = result.stdout.str()
    containers = {
        line.split("container ")[1][:12] for line in text.splitlines() if "container " in line
    }

    assert "exited with code" in text
    assert "no-such-option" in text
    assert len(containers) == 1


@pytest.mark.slow
def test_a_worker_that_dies_gives_back_what_it_held(run_suite: Run) -> None:
    result = run_suite(
        """
        import os, pytest

        def test_dies(redis_client):
            redis_client.set("left", "behind")
            os._exit(1)

        @pytest.mark.parametrize("n", range(20))
        def test_lives(redis_client, n):
            assert redis_client.dbsize() == 0
        """,
        "-n",
        "2",
        "--max-worker-restart=2",
    )
    result.assert_outcomes(passed=20, failed=1)
