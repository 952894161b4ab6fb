"""Whatever a schema is made from, a change of it is seen by the manifest alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cases import quick
from wflo_testkit.services.postgres.schema.manifest import Manifest

ROOT = Path(__file__).parents[2]
Change = Callable[[Path, pytest.MonkeyPatch], object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A project, what its schema does, and a change that matters.

    named: what the manifest says has changed: the end of a path, or a variable.
    before: what runs in the process before anything is recorded.
    """

    files: dict[str, str] = field(default_factory=dict)
    work: str
    change: Change
    named: str
    before: str = ""


@pytest.fixture(autouse=True)
def compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules are compiled to files, as they are for users."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


def write(name: str, text: str = "changed = 1\n") -> Change:
    def change(folder: Path, _patch: pytest.MonkeyPatch) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return change


def remove(name: str) -> Change:
    return lambda folder, _patch: (folder / name).unlink()


def setenv(name: str, value: str) -> Change:
    return lambda _folder, patch: patch.setenv(name, value)


def link(name: str, target: str) -> Change:
    def change(folder: Path, _patch: pytest.MonkeyPatch) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(folder / target)

    return change


def zipped(text: str) -> Change:
    def change(folder: Path, _patch: pytest.MonkeyPatch) -> None:
        with zipfile.ZipFile(folder / "lib.zip", "w") as archive:
            archive.writestr("inside.py", text)

    return change


def same_size_and_mtime(name: str, text: str) -> Change:
    def change(folder: Path, _patch: pytest.MonkeyPatch) -> None:
        path = folder / name
        status = path.stat()
        path.write_text(text)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return change


STATUS = "import enum\nclass Status(enum.Enum):\n    new = 1\n"
PACKAGE = {"shop/__init__.py": "", "shop/models.py": "from .status import *\n"}
READ_SQL = "(HERE / 'sql/view.sql').read_text()"
SQL = {"sql/view.sql": "SELECT 1"}
LOAD = (
    "import importlib.util\n"
    "spec = importlib.util.spec_from_file_location('_0001', HERE / 'versions/0001.py')\n"
    "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
)
CASES = {
    "a module imported by a module": Case(
        files={"models.py": "import status", "status.py": STATUS},
        work="import models",
        change=write("status.py", STATUS + "    paid = 2\n"),
        named="/status.py",
    ),
    "a constant of a helper": Case(
        files={"helpers.py": "A = 1"},
        work="from helpers import A",
        change=write("helpers.py", "A = 2"),
        named="/helpers.py",
    ),
    "an enum in a package": Case(
        files={"shop/__init__.py": "", "shop/status.py": STATUS},
        work="from shop.status import Status",
        change=write("shop/status.py", STATUS + "    paid = 2\n"),
        named="/shop/status.py",
    ),
    "a package's own __init__": Case(
        files={"shop/__init__.py": "", "shop/status.py": STATUS},
        work="from shop.status import Status",
        change=write("shop/__init__.py"),
        named="/shop/__init__.py",
    ),
    "a relative and a star import": Case(
        files=PACKAGE | {"shop/status.py": STATUS},
        work="from shop.models import Status",
        change=write("shop/status.py", STATUS + "    paid = 2\n"),
        named="/shop/status.py",
    ),
    "a namespace package": Case(
        files={"space/status.py": STATUS},
        work="from space.status import Status",
        change=write("space/status.py"),
        named="/space/status.py",
    ),
    "a module in a zip": Case(
        files={"make.py": ""},
        before="import zipfile\n"
        "with zipfile.ZipFile(HERE / 'lib.zip', 'w') as z: z.writestr('inside.py', 'A = 1')",
        work="import sys; sys.path.append(str(HERE / 'lib.zip')); import inside",
        change=zipped("A = 2"),
        named="/lib.zip",
    ),
    "a module named by a string": Case(
        files={"helpers.py": "A = 1"},
        work="import importlib; importlib.import_module('helpers')",
        change=write("helpers.py", "A = 2"),
        named="/helpers.py",
    ),
    "a revision that is no module of sys.modules": Case(
        files={"versions/0001.py": "A = 1"},
        work=LOAD,
        change=write("versions/0001.py", "A = 2"),
        named="/versions/0001.py",
    ),
    "a revision that is compiled already": Case(
        files={"versions/0001.py": "A = 1"},
        before=LOAD,
        work=LOAD,
        change=write("versions/0001.py", "A = 2"),
        named="/versions/0001.py",
    ),
    "a package that is upgraded": Case(
        files={"site-packages/lib/__init__.py": "V = '1.0'"},
        work="import sys; sys.path.append(str(HERE / 'site-packages')); import lib",
        change=same_size_and_mtime("site-packages/lib/__init__.py", "V = '1.1'"),
        named="/lib/__init__.py",
    ),
    "a distribution that is installed": Case(
        files={"site-packages/one-1.0.dist-info/METADATA": "Name: one\nVersion: 1.0\n"},
        work="import sys; sys.path.append(str(HERE / 'site-packages'))\n"
        "import importlib.metadata as m; list(m.entry_points(group='shop.tables'))",
        change=write("site-packages/two-1.0.dist-info/METADATA", "Name: two\nVersion: 1\n"),
        named="/site-packages",
    ),
    "an .sql file beside the scripts": Case(
        files=SQL, work=READ_SQL, change=write("sql/view.sql", "SELECT 2"), named="/view.sql"
    ),
    "a file that keeps its size and time": Case(
        files=SQL,
        work=READ_SQL,
        change=same_size_and_mtime("sql/view.sql", "SELECT 2"),
        named="/view.sql",
    ),
    "a csv file": Case(
        files={"seeds.csv": "1,tea"},
        work="import csv\nwith open(HERE / 'seeds.csv') as file: list(csv.reader(file))",
        change=write("seeds.csv", "1,tea\n2,milk"),
        named="/seeds.csv",
    ),
    "a file read by its descriptor": Case(
        files={"blob": "1"},
        work="import os; os.read(os.open(HERE / 'blob', os.O_RDONLY), 9)",
        change=write("blob", "2"),
        named="/blob",
    ),
    "a toml file": Case(
        files={"settings.toml": "a = 1"},
        work="import tomllib; tomllib.loads((HERE / 'settings.toml').read_text())",
        change=write("settings.toml", "a = 2"),
        named="/settings.toml",
    ),
    "an .env file": Case(
        files={".env": "SHOP_A=1"},
        work="import os\nfor line in (HERE / '.env').read_text().splitlines():\n"
        "    os.environ.setdefault(*line.split('='))\nos.environ['SHOP_A']",
        change=write(".env", "SHOP_A=2"),
        named="/.env",
    ),
    "data of a package": Case(
        files={"shop/__init__.py": "", "shop/seed.sql": "SELECT 1"},
        work="from importlib import resources\n"
        "resources.files('shop').joinpath('seed.sql').read_text()",
        change=write("shop/seed.sql", "SELECT 2"),
        named="/seed.sql",
    ),
    "data of a package by pkgutil": Case(
        files={"shop/__init__.py": "", "shop/seed.sql": "SELECT 1"},
        work="import pkgutil; pkgutil.get_data('shop', 'seed.sql')",
        change=write("shop/seed.sql", "SELECT 2"),
        named="/seed.sql",
    ),
    "an sqlite file": Case(
        files={},
        before="import sqlite3\nc = sqlite3.connect(HERE / 'a.db')\n"
        "c.execute('CREATE TABLE t (i)'); c.close()",
        work="c = sqlite3.connect(HERE / 'a.db'); c.execute('SELECT * FROM t'); c.close()",
        change=write("a.db", "other"),
        named="/a.db",
    ),
    "where a link leads": Case(
        files={"one.sql": "SELECT 1", "two.sql": "SELECT 2"},
        before="(HERE / 'now.sql').symlink_to(HERE / 'one.sql')",
        work="(HERE / 'now.sql').read_text()",
        change=link("now.sql", "two.sql"),
        named="/now.sql",
    ),
    "where a link to a folder leads": Case(
        files={"v1/a.sql": "SELECT 1", "v2/a.sql": "SELECT 2"},
        before="(HERE / 'now').symlink_to(HERE / 'v1')",
        work="[each.read_text() for each in (HERE / 'now').glob('*.sql')]",
        change=link("now", "v2"),
        named="/now/a.sql",
    ),
    "a file that is deleted": Case(
        files=SQL, work=READ_SQL, change=remove("sql/view.sql"), named="/view.sql"
    ),
    "a file that appears": Case(
        work="try: open(HERE / 'local.sql')\nexcept OSError: pass",
        change=write("local.sql"),
        named="/local.sql",
    ),
    "a new file in a listed folder": Case(
        files=SQL,
        work="import os; os.listdir(HERE / 'sql')",
        change=write("sql/more.sql"),
        named="/sql",
    ),
    "a new file in a folder that is globbed": Case(
        files=SQL,
        work="import glob; glob.glob(str(HERE / 'sql/*.sql'))",
        change=write("sql/more.sql"),
        named="/sql",
    ),
    "a new file somewhere below a folder": Case(
        files={"sql/deep/a.sql": ""},
        work="import os; list(os.walk(HERE / 'sql'))",
        change=write("sql/deep/b.sql"),
        named="/sql/deep",
    ),
    "a new file below a folder walked by descriptors": Case(
        files={"sql/deep/a.sql": ""},
        work="import os; list(os.fwalk(HERE / 'sql'))",
        change=write("sql/deep/b.sql"),
        named="/sql/deep",
    ),
    "a folder that appears": Case(
        work="list((HERE / 'sql').glob('*.sql'))",
        change=write("sql/a.sql"),
        named="/sql",
    ),
    "models that are looked for": Case(
        files={"shop/__init__.py": "", "shop/one.py": ""},
        work="import pkgutil, shop\n"
        "[__import__(f'shop.{m.name}') for m in pkgutil.iter_modules(shop.__path__)]",
        change=write("shop/two.py"),
        named="/shop",
    ),
    "a file that is only asked for": Case(
        work="(HERE / 'fast').exists()", change=write("fast"), named="/fast"
    ),
    "a file asked for by os.path": Case(
        files=SQL,
        work="import os; os.path.isfile(HERE / 'sql/view.sql')",
        change=remove("sql/view.sql"),
        named="/view.sql",
    ),
    "a file asked for by os.access": Case(
        work="import os; os.access(HERE / 'fast', os.R_OK)", change=write("fast"), named="/fast"
    ),
    "a module that could not be imported": Case(
        work="try: import local_settings\nexcept ImportError: pass",
        change=write("local_settings.py"),
        named="/local_settings.py",
    ),
    "a module that import_module did not find": Case(
        files={"shop/__init__.py": ""},
        work="import importlib\ntry: importlib.import_module('shop.local')\n"
        "except ImportError: pass",
        change=write("shop/local.py"),
        named="/shop/local.py",
    ),
    "a module that find_spec did not find": Case(
        work="import importlib.util; importlib.util.find_spec('local_settings')",
        change=write("local_settings/__init__.py"),
        named="/local_settings",
    ),
    "a package that hides a module": Case(
        files={"status.py": STATUS},
        work="import status",
        change=write("status/__init__.py"),
        named="/status/__init__.py",
    ),
    "a variable": Case(
        before="import os; os.environ['SHOP'] = '1'",
        work="import os; os.environ['SHOP']",
        change=setenv("SHOP", "2"),
        named="SHOP",
    ),
    "a variable that was not set": Case(
        work="import os; os.getenv('SHOP')", change=setenv("SHOP", "2"), named="SHOP"
    ),
    "a variable that is only asked for": Case(
        work="from os import environ; 'SHOP' in environ", change=setenv("SHOP", ""), named="SHOP"
    ),
    "a variable by its bytes": Case(
        work="import os; os.environb.get(b'SHOP')", change=setenv("SHOP", "2"), named="SHOP"
    ),
    "a variable that is there, where all are read": Case(
        before="import os; os.environ['SHOP'] = '1'",
        work="import os; {k.lower(): v for k, v in os.environ.items()}",
        change=setenv("SHOP", "2"),
        named="SHOP",
    ),
    "a variable that appears, where all are read": Case(
        work="import os; dict(os.environ)", change=setenv("SHOP", "2"), named="SHOP"
    ),
    "what a thread of it reads": Case(
        files=SQL,
        work="import threading\nt = threading.Thread(target=(HERE / 'sql/view.sql').read_text)\n"
        "t.start(); t.join()",
        change=write("sql/view.sql", "SELECT 2"),
        named="/view.sql",
    ),
    "what a coroutine's thread reads": Case(
        files=SQL,
        work="import asyncio\n"
        "asyncio.run(asyncio.wait_for(asyncio.to_thread((HERE / 'sql/view.sql').read_bytes), 9))",
        change=write("sql/view.sql", "SELECT 2"),
        named="/view.sql",
    ),
}
BEFORE = {
    "a module of the project imported before": Case(
        files={"schema.py": "import models", "models.py": "import status", "status.py": STATUS},
        before="import models",
        work="import models",
        change=write("status.py", STATUS + "    paid = 2\n"),
        named="/status.py",
    ),
    "a test file that the schema's own imports, before": Case(
        files={"schema.py": "def fill(url):\n    from test_data import A", "test_data.py": "A = 1"},
        before="import test_data",
        work="import test_data",
        change=write("test_data.py", "A = 2"),
        named="/test_data.py",
    ),
    "a test file named by a string, imported before": Case(
        files={"schema.py": "M = 'test_data:A'", "test_data.py": "A = 1"},
        before="import test_data",
        work="1",
        change=write("test_data.py", "A = 2"),
        named="/test_data.py",
    ),
}
IN_A_SHARED_PROCESS = [
    *("an .sql file beside the scripts", "a constant of a helper", "a variable"),
    *("a file that is only asked for", "a module that could not be imported"),
    *("what a thread of it reads", "a new file in a listed folder"),
]


def record(folder: Path, case: Case, **more: Any) -> Manifest:
    """Write the project, let its schema do its work, and return what that has read."""
    for name, text in case.files.items():
        write(name, text)(folder, pytest.MonkeyPatch())
    defaults = {"whole_process": True, "database": "", "own": [], "mutant": "", "env": None}
    asked = defaults | {"folder": str(folder), "before": case.before, "work": case.work} | more
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.services.manifest_program"],
        input=json.dumps({key: value for key, value in asked.items() if key != "env"}),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=asked["env"],
        timeout=60,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return Manifest.from_json(json.loads(done.stdout.splitlines()[-1]))


def set_before(case: Case, patch: pytest.MonkeyPatch) -> None:
    if "SHOP'] = '1'" in case.before:
        patch.setenv("SHOP", "1")
    else:
        patch.delenv("SHOP", raising=False)


def changed(folder: Path, case: Case, patch: pytest.MonkeyPatch, **more: Any) -> list[str]:
    """Return what a manifest says after the change; nothing has changed before it."""
    set_before(case, patch)
    manifest = record(folder, case, **more)
    assert manifest.changed() == []
    assert manifest.is_current() or manifest.incomplete
    before = manifest.digest()
    case.change(folder, patch)
    assert manifest.is_current() == (manifest.changed() == [])
    assert (manifest.digest() == before) == (manifest.changed() == [])
    return manifest.changed()


QUICK = (
    "a module imported by a module",
    "an enum in a package",
    "an .sql file beside the scripts",
    "a new file in a listed folder",
    "a variable",
    "a file that appears",
)


@pytest.mark.parametrize("name", quick(CASES, QUICK))
def test_a_change_is_seen(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]

    assert any(each.endswith(case.named) for each in changed(tmp_path, case, monkeypatch))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*IN_A_SHARED_PROCESS, *BEFORE])
def test_a_change_is_seen_where_the_process_is_shared_with_tests(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = (CASES | BEFORE)[name]
    seen = changed(tmp_path, case, monkeypatch, whole_process=False)

    assert any(each.endswith(case.named) for each in seen)


OPEN, LIST = (
    "events._TELL.pop('open')",
    "[events._TELL.pop(n) for n in ('os.listdir', 'os.scandir')]",
)
MUTANTS = {
    "an .sql file beside the scripts": (OPEN, {}),
    "a new file in a listed folder": (LIST, {}),
    "a distribution that is installed": (
        "noted.Noted.looked_for_distributions = lambda *_: None",
        {},
    ),
    "a file that is only asked for": ("watching._STAT = ()", {}),
    "a variable": ("watching._replace_class = lambda _: None", {}),
    "a variable that appears, where all are read": (
        "noted.Noted.all_variables = lambda *_: None",
        {},
    ),
    "a module that could not be imported": ("noted.Noted.missed = lambda *_: None", {}),
    "a package that hides a module": ("modules.earlier = lambda _: ()", {}),
    "a revision that is compiled already": ("inputs.source_of = lambda path: path", {}),
    "an sqlite file": ("events._TELL.pop('sqlite3.connect')", {}),
    "a new file below a folder walked by descriptors": ("inputs.path_of = lambda _: ''", {}),
    "what a thread of it reads": (
        "threads.Threads.adopt = lambda *_: None",
        {"whole_process": False},
    ),
    "a module of the project imported before": (
        "modules.beside_tests = lambda _: set()",
        {"whole_process": False},
    ),
    "a test file that the schema's own imports, before": (
        "modules.imported_by = lambda start: {start}",
        {"whole_process": False},
    ),
    "a test file named by a string, imported before": (
        "modules._mentioned = lambda *_: ()",
        {"whole_process": False},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_without_its_clause_a_change_is_not_seen(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant, more = MUTANTS[name]

    assert changed(tmp_path, (CASES | BEFORE)[name], monkeypatch, mutant=mutant, **more) == []


# -- what does not count


def touched(folder: Path, _patch: pytest.MonkeyPatch) -> None:
    os.utime(folder / "sql/view.sql")


def copied(folder: Path, _patch: pytest.MonkeyPatch) -> None:
    shutil.copy(folder / "sql/view.sql", folder / "copy")
    (folder / "copy").replace(folder / "sql/view.sql")


SAME = {
    "a file with another time": Case(files=SQL, work=READ_SQL, change=touched, named=""),
    "a file that is checked out again": Case(files=SQL, work=READ_SQL, change=copied, named=""),
    "a file that was not read": Case(files=SQL, work=READ_SQL, change=write("b.sql"), named=""),
    "what tools leave in a folder": Case(
        files={"a.py": ""},
        work="import os; os.listdir(HERE)",
        change=lambda f, p: [write(n)(f, p) for n in ("__pycache__/a", ".coverage", ".wflo/x")],
        named="",
    ),
    "what the import system lists": Case(
        files={"a.py": ""}, work="import a", change=write("b.py"), named=""
    ),
    "a project's new file where distributions are looked for": Case(
        work="import importlib.metadata as m; list(m.entry_points(group='x'))",
        change=write("b.txt"),
        named="",
    ),
    "a file that the work has written": Case(
        work="(HERE / 'out').write_text('1'); (HERE / 'out').read_text()",
        change=write("out", "2"),
        named="",
    ),
    "a folder that the work has made": Case(
        work="import tempfile, pathlib\nwith tempfile.TemporaryDirectory(dir=HERE) as t:\n"
        "    (pathlib.Path(t) / 'a').write_text('1'); list(pathlib.Path(t).iterdir())",
        change=write("b.sql"),
        named="",
    ),
    "a variable that the work has set": Case(
        work="import os; os.environ['SHOP'] = '1'; os.environ['SHOP']",
        change=setenv("SHOP", "2"),
        named="",
    ),
    "a variable of the kit's own": Case(
        work="import os; os.environ.get('OWN'); dict(os.environ)",
        change=setenv("OWN", "2"),
        named="",
    ),
    "which test runs, and where": Case(
        work="import os; dict(os.environ)",
        change=lambda _f, p: [p.setenv(n, "x") for n in ("PYTEST_XDIST_WORKER", "SHLVL", "TERM")],
        named="",
    ),
    "a value of a variable that names the test": Case(
        work="import os; os.environ['PYTEST_CURRENT_TEST']",
        change=setenv("PYTEST_CURRENT_TEST", "another"),
        named="",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_what_says_nothing_of_the_schema_does_not_count(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed(tmp_path, SAME[name], monkeypatch, own=["OWN"]) == []


def test_a_test_file_that_the_schema_does_not_import_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(
        files={"schema.py": "A = 1", "test_it.py": "", "conftest.py": ""},
        before="import test_it, conftest",
        work="1",
        change=lambda f, p: [write(name)(f, p) for name in ("test_it.py", "conftest.py")],
        named="",
    )

    assert changed(tmp_path, case, monkeypatch, whole_process=False) == []


def test_what_other_threads_of_a_shared_process_do_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(
        files=SQL,
        before="import threading\ngo, done = threading.Event(), threading.Event()\n"
        "def other():\n    go.wait(9)\n    " + READ_SQL + "\n    done.set()\n"
        "threading.Thread(target=other, daemon=True).start()",
        work="go.set(); done.wait(9)",
        change=write("sql/view.sql", "SELECT 2"),
        named="",
    )

    assert changed(tmp_path, case, monkeypatch, whole_process=False) == []


# -- what cannot be recorded

INCOMPLETE = {
    "it starts a process": [
        "import subprocess; subprocess.run(['true'], check=True)",
        "import os; os.system('true')",
        "import os\nif (child := os.fork()) == 0: os._exit(0)\nos.waitpid(child, 0)",
        "import os; os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)",
        "import multiprocessing as m\n"
        "if __name__ == 'schema':\n    p = m.get_context('spawn').Process(target=print)\n"
        "    p.start(); p.join()",
    ],
    "it asks another server": [
        "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError: pass",
        "import urllib.request\ntry: urllib.request.urlopen('http://127.0.0.1:9/schema')\n"
        "except OSError: pass",
    ],
    "it asks another process, by a Unix socket": [
        "import socket\ns = socket.socket(socket.AF_UNIX)\ntry: s.connect(str(HERE / 'none'))\n"
        "except OSError: pass\ns.close()",
    ],
    "was changed meanwhile": [
        "(HERE / 'a').read_text(); (HERE / 'a').write_text('22')",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("why", "work"), [(why, work) for why, works in INCOMPLETE.items() for work in works]
)
def test_what_cannot_be_recorded_makes_it_incomplete(why: str, work: str, tmp_path: Path) -> None:
    manifest = record(tmp_path, Case(files={"a": "1"}, work=work, change=touched, named=""))

    assert why in manifest.incomplete
    assert not manifest.is_current()


@pytest.mark.slow
def test_a_thread_that_is_left_running_makes_it_incomplete(tmp_path: Path) -> None:
    work = (
        "import threading\nend = threading.Event()\n"
        "threading.Thread(target=end.wait, args=(9,), daemon=True).start()"
    )
    case = Case(work=work, change=touched, named="")

    assert "still runs" in record(tmp_path, case, whole_process=False).incomplete
    assert record(tmp_path, case).incomplete == ""


def test_a_thread_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    work = (
        "import threading\n"
        "def read(): threading.Event().wait(0.1); (HERE / 'a').read_text()\n"
        "threading.Thread(target=read).start()"
    )
    case = Case(files={"a": "1"}, work=work, change=touched, named="")
    manifest = record(tmp_path, case, whole_process=False)

    assert manifest.incomplete == ""
    assert str(tmp_path / "a") in manifest.files


def test_a_module_changed_after_the_process_began_makes_it_incomplete(tmp_path: Path) -> None:
    late = time.time() + 60
    edit = f"import models, os; os.utime(HERE / 'models.py', ({late}, {late}))"
    files = {"schema.py": "", "models.py": "A = 1"}
    case = Case(files=files, before=edit, work="1", change=touched, named="")

    assert "after it was imported" in record(tmp_path, case, whole_process=False).incomplete


@pytest.mark.slow
def test_the_database_itself_may_be_asked_and_so_may_the_machine(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        work = (
            f"import socket; socket.create_connection(('127.0.0.1', {port}), 9).close()\n"
            "import ctypes.util, platform\nctypes.util.find_library('c'); platform.processor()"
        )
        case = Case(work=work, change=touched, named="")
        found = [
            record(tmp_path, case, database=f"{host}:{port}").incomplete
            for host in ("localhost", "127.0.0.1")
        ]
        without = record(tmp_path, case).incomplete

    assert found == ["", ""]
    assert without == "it asks another server"


def test_what_somebody_else_knows_of_can_be_noted(tmp_path: Path) -> None:
    case = Case(work="recording.cannot_keep('it asks a.db')", change=touched, named="")

    assert record(tmp_path, case).incomplete == "it asks a.db"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "mutant"),
    [
        ("import subprocess; subprocess.run(['true'])", "events._PROCESSES = ()"),
        (INCOMPLETE["it starts a process"][-1], "modules.has_spawned = lambda _: False"),
        (INCOMPLETE["it asks another server"][0], "events._TELL.pop('socket.connect')"),
        (INCOMPLETE["was changed meanwhile"][0], "recorder._same = lambda *_: True"),
    ],
)
def test_without_its_clause_what_cannot_be_recorded_looks_complete(
    work: str, mutant: str, tmp_path: Path
) -> None:
    case = Case(files={"a": "1"}, work=work, change=touched, named="")

    assert record(tmp_path, case, mutant=mutant).incomplete == ""


# -- the process is left as it was


def test_a_recorder_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    work = """
import os
from os import stat
assert os.stat in os.supports_fd and os.stat in os.supports_dir_fd
assert type(os.environ).__name__ == "Environ"
"""
    before = """
import os, sys, atexit
known = os.stat, os.lstat, os.access, type(os.environ), type(os.environb), list(sys.meta_path)
def check():
    now = os.stat, os.lstat, os.access, type(os.environ), type(os.environb), list(sys.meta_path)
    assert now == known
    assert os.stat in os.supports_fd and stat(".").st_size == os.stat(".").st_size
atexit.register(check)
"""
    record(tmp_path, Case(work=work, before=before, change=touched, named=""))
