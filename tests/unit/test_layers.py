"""The picture of the house: imports point down only, heavy libraries are loaded when used."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

import wflo_testkit

ROOT = Path(wflo_testkit.__file__).parent
FLOOR = {
    "errors",
    "outline",
    "wait",
    "plain_data",
    "model",
    "service",
    "isolation",
    "settings",
    "catalog",
    "aio",
    "dated",
    "probing",
    "grpc_call",
    "readiness",
    "ready",
    "references",
    "reset",
}
BELOW = {
    "services": FLOOR,
    "runtime": FLOOR,
    "broker": FLOOR | {"services", "runtime"},
    "run": FLOOR | {"services", "runtime", "broker"},
    "report": FLOOR | {"services", "runtime", "broker", "run"},
    "toolbox": FLOOR | {"services", "runtime", "broker", "run"},
    "cli": FLOOR | {"services", "runtime", "broker", "run"},
    "plugin": FLOOR | {"services", "runtime", "broker", "run", "report", "toolbox"},
} | {name: FLOOR - {name} for name in FLOOR}
"""Part of the kit -> the parts that it may import besides itself."""

WITHOUT_SERVICE_NAMES = ("plugin", "cli", "run", "broker", "runtime")
UNVERSIONED = ("services", "runtime", *FLOOR)
"""The parts that do not ask the package's own door, which knows its version."""
SERVICE_NAME = re.compile(r"postgres|redis(?!t)|kafka|temporal|mongo|psql", re.IGNORECASE)
HEAVY = {
    "docker",
    "testcontainers",
    "sqlalchemy",
    "asyncpg",
    "psycopg",
    "redis",
    "kafka",
    "temporalio",
    "rich",
    "requests",
}

MODULES = sorted(path for path in ROOT.rglob("*.py") if "_containers" not in path.parts)


def part_of(path: Path) -> str:
    """Return the part of the kit that a file belongs to, "" for the package's own door."""
    first = path.relative_to(ROOT).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import in a file, those for type checkers included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the layer"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def kit_parts(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield (line, part, dotted name) for what a file imports of the kit."""
    for line, name in imported(path):
        head, _, rest = name.partition(".")
        if head == "wflo_testkit":
            part = rest.partition(".")[0]
            yield line, part if part in BELOW else "", name


def at_module_level(path: Path) -> Iterator[str]:
    """Yield the top-level packages that loading a file imports."""
    todo: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            todo.extend(each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt))


def dotted(path: Path, root: Path = ROOT) -> str:
    """Return the name by which a file of the package is imported."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def at_run_time(path: Path) -> Iterator[str]:
    """Yield the dotted name of every import in a file, in functions too, but for type checkers."""
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        todo.extend(ast.iter_child_nodes(node))


def circles(root: Path = ROOT) -> set[frozenset[str]]:
    """Return the groups of files of a package that all lead to one another by their imports.

    For type checkers the package itself names all that it hands on when it is first asked for: no
    file of the package takes that from there.
    """
    files = {dotted(path, root): path for path in root.rglob("*.py")}

    def file_of(name: str) -> str:
        """Return the file that an import loads: a module, or the package that has the name."""
        while name and name not in files:
            name = name.rpartition(".")[0]
        return name

    door = root / "__init__.py"
    named = {
        name: at_run_time(path) if path == door else (each for _line, each in imported(path))
        for name, path in files.items()
    }
    direct = {name: {file_of(each) for each in names} - {"", name} for name, names in named.items()}
    reached = {name: closure(name, direct) for name in direct}
    return {
        frozenset(each for each in found if name in reached[each])
        for name, found in reached.items()
        if name in found
    }


def closure(name: str, direct: Mapping[str, Collection[str]]) -> set[str]:
    """Return all that `name` leads to."""
    found: set[str] = set()
    todo = [name]
    while todo:
        new = set(direct[todo.pop()]) - found
        found |= new
        todo += new
    return found


def test_every_module_belongs_to_a_known_part() -> None:
    assert {part_of(path) for path in MODULES} - {""} <= set(BELOW)


def test_the_picture_of_the_house_shows_the_parts_that_are_there(root: Path) -> None:
    text = (root / "CONTRIBUTING.md").read_text()
    picture = text.partition("## Where things go\n\n```\n")[2].partition("\n```\n")[0]
    lines = (line for line in picture.splitlines() if not line.startswith(" "))
    names = {name.rstrip("/") for line in lines for name in line.partition("    ")[0].split()}

    assert names - {"|"} == {part_of(path) for path in MODULES} - {""}


@pytest.mark.parametrize("part", sorted(BELOW))
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    allowed = BELOW[part] | {part} | (set() if part in UNVERSIONED else {""})

    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in MODULES
        if part_of(path) == part
        for line, target, name in kit_parts(path)
        if target not in allowed
    ]

    assert wrong == []


def test_no_files_import_one_another_in_a_circle() -> None:
    assert circles() == set()


def test_planted_circles_are_seen_in_every_form(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    for name, text in {
        "__init__": "if TYPE_CHECKING:\n    from shop.one import x",
        "one": "import shop\nfrom shop import two",
        "two": "def later():\n    from shop.three import x",
        "three": "import shop.one",
        "typed": "if TYPE_CHECKING:\n    from shop import alone",
        "alone": "from shop.typed import Typed\nfrom shop.one import x",
        "inner/__init__": "def later():\n    from shop.inner.part import x",
        "inner/part": "from shop.inner import y",
    }.items():
        (root / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.py").write_text(text)

    assert circles(root) == {
        frozenset({"shop.one", "shop.two", "shop.three"}),
        frozenset({"shop.typed", "shop.alone"}),
        frozenset({"shop.inner", "shop.inner.part"}),
    }


def test_no_service_imports_another() -> None:
    services = ROOT / "services"
    homes = {path.stem: path for path in services.iterdir() if path.stem[:2] != "__"}

    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for home, where in homes.items()
        for path in ([where] if where.is_file() else where.rglob("*.py"))
        for line, target, name in kit_parts(path)
        if target == "services" and name.split(".")[2] != home
    ]

    assert wrong == []


def test_loading_any_module_needs_the_standard_library_and_for_the_plugin_pytest() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in MODULES
        for name in at_module_level(path)
        if name not in sys.stdlib_module_names | {"wflo_testkit"}
        and not (name == "pytest" and part_of(path) in ("plugin", "report", "toolbox"))
    ]

    assert wrong == []


@pytest.mark.parametrize("part", WITHOUT_SERVICE_NAMES)
def test_no_service_is_named_where_all_services_are_served(part: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in MODULES
        if part_of(path) == part
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if SERVICE_NAME.search(line)
    ]

    assert wrong == []


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh process has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_plugin_loads_no_heavy_library() -> None:
    modules = loaded_by("import wflo_testkit.plugin")

    assert {name.partition(".")[0] for name in modules} & HEAVY == set()


LIGHT = {
    "wflo_testkit",
    "wflo_testkit.outline",
    "wflo_testkit.plugin",
    "wflo_testkit.plugin.process",
    "wflo_testkit.plugin.declarations",
    "wflo_testkit.services",
    "wflo_testkit.wait",
}
"""All that a suite pays for that does not use the kit; each module costs 0.4 ms (measured)."""

UNUSED = """
import sys
import pytest

def pytest_unconfigure(config):
    ours = [name for name in sys.modules if name.partition(".")[0] == "wflo_testkit"]
    costly = {"tomllib", "secrets", "concurrent.futures", "asyncio"} & set(sys.modules)
    print("loaded:", *ours, *costly)
"""


def test_a_suite_that_uses_no_service_loads_the_names_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # theirs load more than ours
    pytester.makeconftest(UNUSED)
    pytester.makepyfile("def test(tmp_path):\n    pass\n")
    done = pytester.runpytest_subprocess("-p", "wflo_testkit.plugin")
    [loaded] = [line for line in done.outlines if "loaded: " in line]

    done.assert_outcomes(passed=1)
    assert set(loaded.partition("loaded: ")[2].split()) == LIGHT


def test_the_table_of_services_loads_no_client_library_and_no_event_loop() -> None:
    modules = loaded_by("from wflo_testkit.services import table; table()")

    assert {name.partition(".")[0] for name in modules} & (HEAVY | {"asyncio"}) == set()


def test_importing_the_package_alone_loads_none_of_its_parts() -> None:
    assert {m for m in loaded_by("import wflo_testkit") if m.startswith("wflo_testkit.")} == set()


def test_the_public_names_are_the_lazily_exported_ones() -> None:
    lazy = {*wflo_testkit._HOME, "__version__"}

    assert wflo_testkit.__all__ == sorted(wflo_testkit.__all__)
    assert set(wflo_testkit.__all__) == lazy
    assert set(dir(wflo_testkit)) == lazy


@pytest.mark.parametrize("name", sorted(wflo_testkit._HOME))
def test_a_public_name_is_defined_where_the_door_says(name: str) -> None:
    value = getattr(wflo_testkit, name)

    assert value.__name__ == name
    assert value.__module__.startswith(f"wflo_testkit.{wflo_testkit._HOME[name]}")


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = wflo_testkit.Nothing


PLANTED = """
from typing import TYPE_CHECKING

from wflo_testkit import catalog, plugin
import yaml

if TYPE_CHECKING:
    from wflo_testkit.broker.broker import Broker
    import docker

def later():
    import redis
    from wflo_testkit.services.kafka import KafkaServer
"""


def test_planted_imports_are_seen_in_every_form(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(PLANTED)

    assert {part for _, part, _ in kit_parts(planted)} == {
        "catalog",
        "plugin",
        "broker",
        "services",
    }
    assert set(at_module_level(planted)) == {"typing", "wflo_testkit", "yaml"}


@pytest.mark.parametrize("line", ["x = 'PostgresServer'", "# as redis does", "PSQL = 1"])
def test_a_planted_service_name_is_seen(line: str) -> None:
    assert SERVICE_NAME.search(line)
