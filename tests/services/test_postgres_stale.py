"""Whole runs on a server that is kept: yesterday's schema is served only while it is today's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.services.bystander import at_hand

__all__ = ["at_hand"]

pytestmark = pytest.mark.slow

CONFTEST = """
from pathlib import Path

import psycopg
import pytest
from status import NAMES

HERE = Path(__file__).parent


def fill(url):
    with (HERE / "calls").open("a") as calls:
        calls.write("x")
    with psycopg.connect(url) as connection:
        connection.execute((HERE / "schema.sql").read_text())


fill.fingerprint = "%s"


@pytest.fixture(scope="session")
def postgres_schema():
    return fill
"""
SUITE = """
from pathlib import Path

import pytest
from sqlalchemy import text

@pytest.mark.parametrize("n", range(4))
def test_the_table_is_todays(postgres_session, n):
    wanted = Path("schema.sql").read_text().split()[2]
    assert postgres_session.scalar(text(f"SELECT count(*) FROM {wanted}")) == 0
"""
Calls = Callable[..., int]


@pytest.fixture
def calls(run_suite: Run, pytester: pytest.Pytester, own_kept_servers: None) -> Calls:
    """calls(*options, files={...}) runs the suite and says how often its schema was applied."""
    conftest = CONFTEST % secrets.token_hex(4)

    def calls(*options: str, files: dict[str, str] | None = None) -> int:
        before = _count(pytester.path)
        run_suite(SUITE, *options, conftest=conftest, files=files).assert_outcomes(passed=4)
        return _count(pytester.path) - before

    return calls


def _count(folder: Path) -> int:
    path = folder / "calls"
    return len(path.read_text()) if path.exists() else 0


FIRST = {"schema.sql": "CREATE TABLE a (id int)", "status.py": "NAMES = ['new']"}


def test_a_schema_is_applied_again_when_what_it_read_has_changed(calls: Calls) -> None:
    assert calls(files=FIRST) == 1
    assert calls() == 0
    assert calls(files={"schema.sql": "CREATE TABLE b (id int)"}) == 1
    assert calls() == 0


def test_a_schema_is_applied_again_when_a_module_that_it_imports_has_changed(calls: Calls) -> None:
    assert calls(files=FIRST) == 1
    assert calls(files={"status.py": "NAMES = ['new', 'paid']"}) == 1
    assert calls(files={"test_more.py": "def helper(): ..."}) == 0


def test_the_workers_of_a_run_agree_on_what_has_changed(calls: Calls) -> None:
    assert calls("-n", "2", files=FIRST) == 1
    assert calls("-n", "2", files={"schema.sql": "CREATE TABLE b (id int)"}) == 1
    assert calls("-n", "2") == 0
