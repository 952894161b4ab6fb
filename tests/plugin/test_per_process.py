"""A server whose tests may change it as a whole is not shared between processes."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run


@pytest.mark.slow
def test_superusers_get_a_server_per_worker(run_suite: Run, pytester: pytest.Pytester) -> None:
    result = run_suite(
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.parametrize("n", range(6))
        def test(postgres_session, n):
            assert postgres_session.execute(text("show is_superuser")).scalar() == "on"
        """,
        "-n",
        "2",
        "--wflo-postgres-role=superuser",
        "--wflo-report=report.json",
    )
    result.assert_outcomes(passed=6)
    rows = json.loads((pytester.path / "report.json").read_text())["services"]

    assert [row["service"] for row in rows] == ["postgres", "postgres"]
