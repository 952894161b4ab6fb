"""Whose servers start ahead of the tests, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from tests.conftest import Run
from wflo_testkit import services
from wflo_testkit.model import Spec
from wflo_testkit.plugin.session import PluginSession
from wflo_testkit.run.owner import RunOwner

services.table()  # loaded here, or each run inside this process would load its own

NOTHING_RUNS = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    return True
"""

Asked = Callable[..., list[str]]


class Broker:
    """Notes the servers that it is asked to start ahead."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def prefetch(self, spec: Spec) -> None:
        self.asked.append(spec.name)

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
def asked(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> Asked:
    """asked(source, *options, conftest, pyproject, other): what a suite asks the broker for.

    Its tests are collected, and then not run.
    """
    broker = Broker()
    fresh_environment.setattr(PluginSession, "broker", broker)
    fresh_environment.setattr(RunOwner, "begin", lambda _owner: "")

    def asked(
        source: str, *options: str, conftest: str = "", pyproject: str = "", other: str = ""
    ) -> list[str]:
        pytester.makepyfile(test_it=dedent(source), test_other=dedent(other))
        pytester.makeconftest(NOTHING_RUNS + conftest)
        pytester.makepyprojecttoml(pyproject)
        quiet = ("-o", "asyncio_default_fixture_loop_scope=function")
        pytester.runpytest_inprocess("-p", "no:randomly", *quiet, *options)
        return broker.asked

    return asked


def servers(*names: str) -> str:
    """Declare servers of these names."""
    return "".join(f'[tool.wflo-testkit.servers.{name}]\nservice = "redis"\n' for name in names)


def test_what_takes_longest_to_start_is_asked_for_first(asked: Asked) -> None:
    found = asked(
        """
        def test_one(redis_client, temporal_client): pass
        def test_two(postgres_session, kafka_topics): pass
        def test_three(redis_client): pass
        """
    )

    assert found == ["kafka", "postgres", "temporal", "redis"]


USES = """
import pytest

def test_by_name(named_client): pass

@pytest.mark.usefixtures("marked_database")
def test_by_marker(): pass

def test_by_a_fixture(through_a_fixture): pass

def test_by_an_override_that_asks_for_it(wrapped_client): pass

@pytest.mark.wflo(addressed="own_server")
def test_that_also_asks_for_the_shared_one(addressed_client, addressed_server): pass

@pytest.mark.wflo(mixed="own_server")
def test_alone(mixed_client): pass
def test_together(mixed_client): pass
"""
USES_NOT = """
import pytest

def test_by_an_override_that_is_a_fake(faked_client): pass

@pytest.mark.parametrize("parametrized_client", [1, 2])
def test_by_a_parameter(parametrized_client): pass

@pytest.mark.wflo(private_a="own_server", private_b="own_server")
def test_on_servers_of_its_own(private_a_client, private_b_database): pass

@pytest.mark.skip(reason="a skipped test starts nothing")
def test_skipped(skipped_client): pass

def test_deselected(deselected_client): pass

def test_later(request):
    request.getfixturevalue("later_client")
"""
FIXTURES = """
import pytest

@pytest.fixture
def through_a_fixture(indirect_database): pass

@pytest.fixture
def wrapped_client(wrapped_client): pass

@pytest.fixture
def faked_client(): pass

@pytest.fixture(scope="session", autouse=True)
def for_all(everybodys_server): pass
"""


WANTED = ["named", "marked", "indirect", "wrapped", "addressed", "mixed", "everybodys"]
UNWANTED = ["faked", "parametrized", "private_a", "private_b", "skipped", "deselected", "later"]


@pytest.fixture
def asked_by_all(asked: Asked) -> Callable[[], list[str]]:
    """What the suite of all the above asks for."""
    return lambda: asked(
        USES,
        "--deselect=test_other.py::test_deselected",
        conftest=FIXTURES,
        pyproject=servers(*WANTED, *UNWANTED),
        other=USES_NOT,
    )


def test_only_what_a_selected_test_is_sure_to_share_is_asked_for(
    asked_by_all: Callable[[], list[str]],
) -> None:
    assert sorted(asked_by_all()) == sorted(WANTED)


@pytest.mark.parametrize(
    ("mutant", "caught"),
    [
        ("wflo_testkit.plugin.process.PytestProcess._is_reached", {"faked", "parametrized"}),
        ("wflo_testkit.plugin.prefetch._is_shared", {"private_a", "private_b"}),
    ],
)
def test_without_one_of_its_questions_too_much_is_asked_for(
    asked_by_all: Callable[[], list[str]],
    fresh_environment: pytest.MonkeyPatch,
    mutant: str,
    caught: set[str],
) -> None:
    fresh_environment.setattr(mutant, lambda *_anything: True)

    assert set(asked_by_all()) - set(WANTED) == caught


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["named"]),
        (("--setup-only",), ["named"]),
        (("--collect-only",), []),
        (("--setup-plan",), []),
        (("--fixtures",), []),
        (("--fixtures-per-test",), []),
        (("-k", "plain"), []),
        (("-m", "not named"), []),
    ],
    ids=lambda given: " ".join(given) or "nothing",
)
def test_a_run_that_runs_no_test_of_a_server_does_not_ask_for_it(
    asked: Asked, options: tuple[str, ...], expected: list[str]
) -> None:
    source = "def test_plain(): pass\ndef test_by_name(named_client): pass\n"

    assert asked(source, *options, pyproject=servers("named")) == expected


@pytest.mark.parametrize(
    ("options", "expected"), [((), []), (("--continue-on-collection-errors",), ["redis"])]
)
def test_a_run_that_ends_with_its_collection_asks_for_nothing(
    asked: Asked, options: tuple[str, ...], expected: list[str]
) -> None:
    source = "def test(redis_client): pass\n"

    assert asked(source, *options, other="import nothing_of_that_name\n") == expected


NOTING = """
import pytest
from wflo_testkit.plugin.session import PluginSession

class Broker:
    def prefetch(self, spec):
        open(f"asked-{spec.unique}", "w").close()

    def close(self):
        pass

PluginSession.broker = Broker()

@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    fixturedef.cached_result = (None, fixturedef.cache_key(request), None)
    return True
"""


FEW = pytest.param(1, [], marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize(("tests", "expected"), [FEW, (4, ["asked-gw0", "asked-gw1"])])
def test_servers_for_one_worker_each_start_ahead_when_there_are_tests_for_all(
    run_suite: Run, pytester: pytest.Pytester, tests: int, expected: list[str]
) -> None:
    source = f"""
        import pytest

        @pytest.mark.parametrize("n", range({tests}))
        def test(postgres_session, n): pass
        """
    result = run_suite(source, "-n", "2", "--wflo-postgres-role=superuser", conftest=NOTING)

    result.assert_outcomes(passed=tests)
    assert sorted(path.name for path in pytester.path.glob("asked-*")) == expected
