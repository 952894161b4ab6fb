"""What `scoped` refuses as soon as it is called, and what it tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Run
from wflo_testkit import scoped
from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.process import MADE_BY_SCOPED


@pytest.mark.parametrize(
    ("fixture", "words", "said"),
    [
        ("postgres_databse", {"scope": "module"}, "did you mean 'postgres_database'?"),
        ("redis_database", {"scope": "worker"}, "function, class, module, package, session, run"),
        ("redis_database", {"scope": "module", "schema": 1}, "contains no 'schema'"),
        ("postgres_database", {"scope": "module", "schemas": 1}, "it takes schema"),
        ("postgres_database", {"scope": "module", "on": "x"}, "a lease has no 'on'"),
        ("postgres_database", {"scope": "module", "loop_scope": "module"}, "no 'loop_scope'"),
        ("postgres_engine", {"scope": "run"}, 'give its lease scope="run"'),
        ("postgres_engine", {"scope": "module", "schema": 1}, "a convenience has no 'schema'"),
        ("redis_server", {"scope": "module"}, "lasts for the session anyway"),
        ("postgres_schema", {"scope": "module"}, "lasts for the session anyway"),
        (
            "postgres_async_session",
            {"scope": "session", "loop_scope": "module"},
            "it would outlast its event loop",
        ),
        ("redis_async_client", {"scope": "module", "loop_scope": "for ever"}, "no loop_scope"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(
    fixture: str, words: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingError) as error:
        scoped(fixture, **words)

    assert said in error.value.text
    assert f"{__file__}:" in error.value.text, "where it was called"
    assert fixture in error.value.text


def test_a_fixture_of_the_kit_can_be_called_whatever_one_likes() -> None:
    shop = scoped("postgres_database", scope="session", schema=None)

    made = getattr(shop._get_wrapped_function(), MADE_BY_SCOPED)
    assert made.part[:3] == ("postgres", "database", "lease")
    assert "A database that only this test sees" in shop._get_wrapped_function().__doc__


MISSPELT = 'from wflo_testkit import scoped\nshop = scoped("ordrs_database", scope="module")\n'
USE = "def test(shop): pass"
DECLARED = '[tool.wflo-testkit.servers.orders]\nservice = "redis"\n'


@pytest.mark.slow
def test_a_server_that_nobody_declares_is_told_once_the_settings_are_known(run_suite: Run) -> None:
    """A server's name may be one of the file's, which is read after the first conftest.py."""
    first = run_suite(USE, conftest=MISSPELT, pyproject=DECLARED)
    later = {"conftest.py": "# empty", "test_it.py": "# none", "a/conftest.py": MISSPELT}
    below = run_suite(files=later | {"a/test_a.py": USE})

    assert first.ret == pytest.ExitCode.USAGE_ERROR
    assert "did you mean 'orders_database'?" in first.stderr.str()
    below.assert_outcomes(errors=1)
    assert "did you mean 'orders_database'?" in below.stdout.str()
