"""A kept server has the schema of an earlier run, while all that it was made from is as it was."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run
from tests.services.alembic_projects import Files
from tests.services.bystander import at_hand
from tests.services.changing_schemas import CHANGES, SUITE
from wflo_testkit.runtime.reuse.user_folder import UserFolder

__all__ = ["at_hand"]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_home(home: UserFolder) -> UserFolder:
    return home


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_a_schema_is_applied_again_once_what_it_depends_on_has_changed(
    run_suite: Run, pytester: pytest.Pytester, before: Files, after: Files
) -> None:
    def run(files: Files) -> tuple[int, bool]:
        """Return how often the schema has been applied so far, and whether it is the new one."""
        for name in {*before, *after} - {*files}:
            (pytester.path / name).unlink(missing_ok=True)
        run_suite(SUITE, "--wflo-reuse", files=dict(files)).assert_outcomes(passed=1)
        applied = (pytester.path / "applied").read_text().split()
        return len(applied), "changed" in json.loads((pytester.path / "seen.json").read_text())

    assert run(before) == (1, False)
    assert run(before) == (1, False)
    assert run(after) == (2, True)
    assert run(after) == (2, True)
    assert run(before) == (3, False)
