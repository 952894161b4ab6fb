"""A service of another package needs one file and one entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import quick
from tests.conftest import Run
from tests.services.third_party import installed_as

SOURCE = """
import pytest

@pytest.mark.parametrize("n", range(4))
def test_private(notes_book, n):
    assert notes_book.write("first") == 1
    assert notes_book.write("second") == 2

def test_server(notes_server):
    assert notes_server.service == "notes"
"""


@pytest.fixture
def installed(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> Path:
    """A package with the service, installed."""
    source = (Path(__file__).parent / "third_party" / "notes_service.py").read_text()
    return installed_as("notes", source, pytester, fresh_environment)


def test_its_fixtures_settings_and_markers_follow_from_the_entry_point(
    run_suite: Run, installed: Path
) -> None:
    result = run_suite(
        SOURCE,
        "-m",
        "notes",
        "--strict-markers",
        "-n",
        "2",
        pyproject='[tool.wflo-testkit]\nnotes_memory = "32mb"\n',
    )
    result.assert_outcomes(passed=5)


def test_it_is_about_sixty_lines(root: Path) -> None:
    source = (root / "tests/services/third_party/notes_service.py").read_text()
    code = [line for line in source.splitlines() if line.strip()]

    assert len(code) <= 75


def test_an_entry_point_that_is_no_service_is_named(run_suite: Run, installed: Path) -> None:
    (installed / "notes_service.py").write_text("SERVICE = 'not a service'\n")
    result = run_suite(SOURCE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'notes' is a str, not a Service*", "*notes-service*"])


BROKEN = {
    "raise RuntimeError('half installed')": "RuntimeError: half installed",
    "": "AttributeError: * has no attribute 'SERVICE'",
    "SERVICE = replace(SERVICE, leases=None)": "TypeError: *NoneType*",
    "SERVICE = replace(SERVICE, options=('memory',))": "AttributeError: *'str'*",
}


@pytest.mark.parametrize("source", quick(BROKEN, ("raise RuntimeError('half installed')",)))
def test_an_entry_point_whose_row_is_broken_is_named(
    run_suite: Run, installed: Path, source: str
) -> None:
    module = installed / "notes_service.py"
    is_changed = source.startswith("SERVICE")
    text = f"{module.read_text()}\nfrom dataclasses import replace\n" if is_changed else ""
    module.write_text(text + source)
    result = run_suite(SOURCE)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "*'notes' cannot be used*",
            f"*{BROKEN[source]}*",
            "*notes_service:SERVICE of notes-service*",
        ]
    )
    result.stderr.no_fnmatch_line("*Traceback*")


REFUSES = """
def refuse(name, settings):
    raise KeyError("memory")

import dataclasses
SERVICE = dataclasses.replace(SERVICE, spec=refuse)
"""


@pytest.mark.slow
def test_a_row_that_cannot_say_what_to_run_is_named_by_the_tests_that_use_it(
    run_suite: Run, installed: Path
) -> None:
    module = installed / "notes_service.py"
    module.write_text(module.read_text() + REFUSES)
    result = run_suite(SOURCE + "\ndef test_without():\n    pass\n")

    result.assert_outcomes(passed=1, errors=5)
    result.stdout.fnmatch_lines(
        ["*'notes' cannot say what to run for 'notes'*", "*KeyError: 'memory'*"]
    )


BREAKS_LATER = """
import dataclasses

def break_down(*_args):
    raise KeyError("broken")

lease = dataclasses.replace(SERVICE.leases[0], refused=break_down)
isolation = SERVICE.isolation

def broken(*args):
    made = isolation(*args)
    made.figures = made.close = break_down
    return made

SERVICE = dataclasses.replace(SERVICE, leases=(lease,), isolation=broken)
"""


@pytest.mark.slow
def test_a_row_that_breaks_in_reports_and_at_the_end_costs_no_report(
    run_suite: Run, installed: Path
) -> None:
    module = installed / "notes_service.py"
    module.write_text(module.read_text() + BREAKS_LATER)
    result = run_suite("def test(notes_book):\n    assert notes_book is None\n")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*(it could not be asked: KeyError: 'broken')*",
            "notes *1 leases*",
            "*what the run made on notes could not be removed*",
        ]
    )
    assert "INTERNALERROR" not in str(result.stdout) + str(result.stderr)
