"""What CONTRIBUTING says of where things go is all that has to be edited, and each edit is needed.

The table there is read, and what it names is done in a copy of the package, which is then run.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Run
from wflo_testkit import services

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "tests/services/third_party/notes_service.py"
WRITTEN = {
    "scripts/outline.py": "wflo_testkit/outline.py",
    "scripts/settings_doc.py": "docs/settings.md",
}
"""Script -> the file that it writes."""


class Place(NamedTuple):
    """What the table says of one kind of thing.

    folder: for a new file. table, file: the name of a list in a file. scripts: what is run then.
    """

    folder: str
    table: str
    file: str
    scripts: list[str]


def read_table() -> dict[str, Place]:
    """Return CONTRIBUTING's table: what is to be added -> where it goes, below wflo_testkit/."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (an? [^|]+?) \| ([^|]+) \| ([^|]*)\|$", text, re.MULTILINE)
    return {
        what: place(where, then)
        for what, where, then in rows
        if not re.search("images.toml|nothing here", where)
    }


def place(where: str, then: str) -> Place:
    folder = re.search(r"a file in `([\w/]+/)`", where)
    [(table, file)] = re.findall(r"in `([A-Z_]+)` of `([\w/<>]+\.py)`", where)
    file = file.replace("<service>", "redis")
    return Place(folder[1] if folder else "", table, file, re.findall(r"`(scripts/\w+\.py)`", then))


PLACES = read_table()


@dataclass(frozen=True)
class Addition:
    """One thing to add.

    entry: goes into the list. proof: uses it; returns what goes wrong, "" for nothing.
    name, text: the new file. use: what else stands in the file of the list.
    """

    entry: str
    proof: Callable[[Copy, Run], str]
    name: str = ""
    text: str = ""
    use: str = ""


class Copy:
    """A copy of the checkout, as far as the package needs it, to which one thing is added."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        for name in ("wflo_testkit", "containers", "scripts"):
            # Beside us another process may be writing what it has compiled.
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        (folder / "docs").mkdir()
        shutil.copy2(root / "docs/settings.md", folder / "docs")
        self._before = self._texts()

    def add(self, place: Place, addition: Addition, without: str = "") -> str:
        """Do what the table says, without one thing of it; return what goes wrong."""
        if place.folder and without != "file":
            new = self.folder / "wflo_testkit" / place.folder / addition.name
            assert not new.exists()
            new.write_text(addition.text)
        if without != "entry":
            file = self.folder / "wflo_testkit" / place.file
            file.write_text(inserted(file.read_text(), place.table, addition.entry) + addition.use)
        scripts = {*place.scripts} - {without}
        return "".join(self._written(each, is_run=each in scripts) for each in WRITTEN)

    def _written(self, script: str, *, is_run: bool) -> str:
        """Run a script, or only ask it whether there is something to write; return its fault."""
        done = self.python(script, *([] if is_run else ["--check"]))
        return f"{done.stdout}{done.stderr}" if done.returncode else ""

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
        )

    def changed(self) -> set[str]:
        """Return the files that are new or not what they were."""
        now = self._texts()
        return {name for name in self._before | now if self._before.get(name) != now.get(name)}

    def _texts(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }


def inserted(text: str, table: str, entry: str) -> str:
    """Return a module's text with an entry at the end of the tuple or dict called `table`."""
    [value] = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        if ast.unparse(node).startswith((f"{table} =", f"{table}:"))
        and isinstance(node.value, ast.Tuple | ast.Dict)
    ]
    lines = text.splitlines(keepends=True)[: value.end_lineno]
    lines[-1] = lines[-1][: value.end_col_offset - 1]
    before = "".join(lines)
    comma = "" if before.rstrip().endswith(",") else ", "
    return f"{before}{comma}{entry},{text.removeprefix(before)}"


def outcome(result: pytest.RunResult) -> str:
    """Return what went wrong in a suite, "" for nothing."""
    passed = result.ret == 0 and result.parseoutcomes().get("passed")
    return "" if passed else f"no success: {result.stdout}{result.stderr}"


def a_test_uses_it(_copy: Copy, run: Run) -> str:
    test = """
        def test_pages_are_numbered_from_one(notes_book):
            assert notes_book.write("first") == 1
    """
    return outcome(run(test, "--wflo-require"))


def a_test_is_isolated_by_it(_copy: Copy, run: Run) -> str:
    test = """
        import pytest
        from sqlalchemy import text

        HOW = text("SELECT current_setting('application_name')")

        def test_by_the_setting(postgres_session):
            assert postgres_session.scalar(HOW) == "planted"

        @pytest.mark.wflo(postgres="database")
        def test_by_the_marker(postgres_session):
            assert postgres_session.scalar(HOW) != "planted"
    """
    pyproject = '[tool.wflo-testkit]\npostgres_isolation = "planted"'
    return outcome(run(test, "--wflo-require", pyproject=pyproject))


def it_decides_what_is_run(_copy: Copy, run: Run) -> str:
    """The value of the file reaches the row, and that of the command line is stronger."""
    conftest = """
        def pytest_wflo_spec(spec):
            raise RuntimeError(f"in the image {spec.image}")
    """
    pyproject = '[tool.wflo-testkit]\nredis_planted = "by the file"'
    test = "def test(redis_server): pass"
    told = str(run(test, conftest=conftest, pyproject=pyproject).stdout)
    if "in the image by the file" not in told:
        return told
    told = str(run(test, "--wflo-redis-planted=by-hand").stdout)
    return "" if "in the image by-hand" in told else told


def it_is_awaited(run: Run, pyproject: str) -> str:
    test = "def test(app_server): assert app_server.state == 'running'"
    return outcome(run(test, "--wflo-require", pyproject=pyproject))


def its_flag_is_shown(_copy: Copy, run: Run) -> str:
    told = str(run("", "--help").stdout)
    return "" if "--wflo-planted=PLANTED" in told else f"no --wflo-planted in {told}"


def it_runs(copy: Copy, _run: Run) -> str:
    done = copy.python("-m", "wflo_testkit.cli.main", "planted", "--loudly")
    return "" if (done.returncode, done.stdout) == (0, "planted!\n") else f"{done}"


def a_lease_lasts_for_it(_copy: Copy, run: Run) -> str:
    test = """
        from wflo_testkit import scoped

        cart = scoped("redis_database", scope="planted")
        found = []

        def test_first(cart):
            found.append(cart)

        def test_second(cart):
            assert found == [cart]
    """
    return outcome(run(test, "--wflo-require"))


MODE = """
from wflo_testkit.model import Build
from wflo_testkit.services.postgres.modes.database import DatabaseMode

class PlantedMode(DatabaseMode):
    name = "planted"

    def lease(self, request):
        answer = super().lease(request)
        if isinstance(answer, Build):
            return answer
        return {**answer, "parameters": {"application_name": "planted"}}
"""
COMMAND = """
def register(subparsers):
    parser = subparsers.add_parser("planted", help="show that it is there")
    parser.add_argument("--loudly", action="store_true")
    parser.set_defaults(run=run)

def run(arguments):
    print("planted" + "!" * arguments.loudly)
    return 0
"""
USE = """
_unplanted = spec

def spec(name, settings):
    from dataclasses import replace

    return replace(_unplanted(name, settings), image=settings["planted"])
"""
READINESS = """

def _planted(condition, container):
    return condition["planted"] in container.output()
"""
APP = """
[tool.wflo-testkit.servers.app]
image = "redis:8.10.1"
ports = { redis = 6379 }
ready = { log = "Ready to accept" }
"""
ADDITIONS = {
    "a service": Addition(
        name="notes.py",
        text=SERVICE.read_text(),
        entry='"notes": "wflo_testkit.services.notes"',
        proof=a_test_uses_it,
    ),
    "an isolation mode of Postgres": Addition(
        name="planted.py",
        text=MODE,
        entry='"planted": lazy(f"{_MODES}.planted:PlantedMode")',
        proof=a_test_is_isolated_by_it,
    ),
    "a setting of one service": Addition(
        entry='Option(key="redis_planted", default="", help="nothing")',
        use=USE,
        proof=it_decides_what_is_run,
    ),
    "a general setting": Addition(
        entry='Option(key="planted", default="", help="nothing")', proof=its_flag_is_shown
    ),
    "a scope": Addition(entry='"planted": Lasts("module")', proof=a_lease_lasts_for_it),
    "a readiness": Addition(
        entry='"planted": Kind(lambda condition, container: _planted(condition, container))',
        use=READINESS,
        proof=lambda _copy, run: it_is_awaited(run, APP.replace("log", "planted")),
    ),
    "a command": Addition(name="planted.py", text=COMMAND, entry='"planted"', proof=it_runs),
}
QUICK = "a command"
FAULTS = {"file": "No module named .*(notes|planted)", "entry": "planted|notes_book"}
"""What is left out -> what somebody has to say of that; for a script, the script."""


def marked(what: str) -> object:
    return pytest.param(what, marks=() if what == QUICK else pytest.mark.slow)


def edits(place: Place) -> list[str]:
    return [*(["file"] if place.folder else []), "entry", *place.scripts]


@pytest.fixture
def copy(tmp_path: Path, fresh_environment: pytest.MonkeyPatch) -> Copy:
    """A copy that suites use, too."""
    made = Copy(ROOT, tmp_path / "copy")
    fresh_environment.setenv("PYTHONPATH", str(made.folder))
    return made


def test_all_that_the_table_names_is_tried() -> None:
    assert PLACES.keys() == ADDITIONS.keys()


@pytest.mark.parametrize("name", services.BUILT_IN)
def test_the_settings_of_every_service_are_where_one_of_them_is_tried(name: str) -> None:
    spec = import_module(f"wflo_testkit.services.{name}.spec")

    assert services.row(name).options is spec.OPTIONS


@pytest.mark.parametrize("what", [marked(what) for what in ADDITIONS])
def test_nothing_else_has_to_be_edited(what: str, copy: Copy, run_suite: Run) -> None:
    place, addition = PLACES[what], ADDITIONS[what]

    assert copy.add(place, addition) == ""
    assert addition.proof(copy, run_suite) == ""
    assert copy.changed() == {
        *([f"wflo_testkit/{place.folder}{addition.name}"] if place.folder else []),
        f"wflo_testkit/{place.file}",
        *(WRITTEN[script] for script in place.scripts),
    }


@pytest.mark.slow
def test_an_app_container_needs_no_edit_at_all(copy: Copy, run_suite: Run) -> None:
    assert it_is_awaited(run_suite, APP) == ""
    assert copy.changed() == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "left_out"), [(what, edit) for what, place in PLACES.items() for edit in edits(place)]
)
def test_no_edit_can_be_left_out(what: str, left_out: str, copy: Copy, run_suite: Run) -> None:
    addition = ADDITIONS[what]

    fault = copy.add(PLACES[what], addition, left_out) or addition.proof(copy, run_suite)

    assert re.search(FAULTS.get(left_out, "is not current"), fault)
