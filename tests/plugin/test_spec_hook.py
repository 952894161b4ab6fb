"""A hook `pytest_wflo_spec` that fails, or answers nonsense, is one clear error for its tests."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.conftest import Run

SOURCE = """
def test_one(redis_server):
    pass

def test_two(redis_server):
    pass

def test_without():
    pass
"""
CASES = {
    "raises": ("raise KeyError('image')", "failed", "KeyError: 'image'"),
    "exits": ("raise SystemExit(3)", "failed", "SystemExit: 3"),
    "returns text": ("return spec.image", "returned*", "a str instead of a Spec"),
    "returns a mapping": ("return dataclasses.asdict(spec)", "*", "a dict instead of a Spec"),
    "is a coroutine": ("", "returned*", "a coroutine instead of a Spec"),
    "another name": ("return replace(spec, name='mine')", "*", "another `service` or `name`*"),
    "a number as image": ("return replace(spec, image=8)", "*", "*'image' is not str"),
    "numbers": ("return replace(spec, environment={'A': 1})", "*", "*'environment' is not *"),
    "objects": ("return replace(spec, options={'a': object()})", "*", "*not JSON serializable"),
    "no port": ("return replace(spec, ports={})", "*", "no port 'main'"),
}


@pytest.mark.parametrize("case", quick(CASES, ("raises", "a number as image")))
def test_it_is_one_error_of_the_tests_concerned_and_names_the_hook(
    run_suite: Run, case: str
) -> None:
    body, what, cause = CASES[case]
    begun = "async def" if case == "is a coroutine" else "def"
    result = run_suite(
        SOURCE,
        "-W",
        "ignore::RuntimeWarning",  # that the coroutine is never awaited
        conftest=f"""
        import dataclasses
        from dataclasses import replace

        {begun} pytest_wflo_spec(spec):
            {body or "return spec"}
        """,
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            f"the hook pytest_wflo_spec {what} for the server 'redis'",
            f"  cause: * {cause}",
            "  looked at: *pytest_wflo_spec in *conftest.py:4",
            "  to fix: *dataclasses.replace(spec, ...)*",
        ]
    )
    assert "INTERNALERROR" not in str(result.stdout) + str(result.stderr)


@pytest.mark.slow
def test_a_hook_may_skip_the_tests_that_use_a_server(run_suite: Run) -> None:
    result = run_suite(
        SOURCE,
        conftest="""
        import pytest

        def pytest_wflo_spec(spec):
            pytest.skip("not on this machine")
        """,
    )
    result.assert_outcomes(passed=1, skipped=2)


@pytest.mark.slow
def test_an_address_that_cannot_be_used_is_named(run_suite: Run) -> None:
    result = run_suite(
        SOURCE.replace("redis", "temporal"),
        conftest="""
        from dataclasses import replace

        def pytest_wflo_spec(spec):
            return replace(spec, external="localhost")
        """,
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["the address of the external server 'temporal' cannot be used"])


@pytest.mark.slow
def test_mutant_without_the_look_at_its_answer_the_error_is_another(run_suite: Run) -> None:
    result = run_suite(
        SOURCE,
        conftest="""
        from wflo_testkit.plugin import spec_hook

        spec_hook._fault = lambda *_args: ""

        def pytest_wflo_spec(spec):
            return spec.image
        """,
    )
    result.stdout.no_fnmatch_line("the hook pytest_wflo_spec *")
    assert result.ret != 0
