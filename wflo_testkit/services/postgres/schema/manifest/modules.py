"""Modules as inputs: their files, and where a module would be found that is not there."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

from wflo_testkit.services.postgres.schema.manifest import inputs

_SPAWNS = ("multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver")


def loaded(names: Collection[str]) -> set[str]:
    """Return the files of the loaded modules among `names`."""
    return {path for name in list(names) if (path := _file(name))}


def beside_tests(start: str) -> set[str]:
    """Return the files of all loaded modules, but of test files only those that `start` imports.

    What a suite's other tests say changes all day, and is no part of the schema.
    """
    everything = loaded(sys.modules)
    if all(not _is_test_file(path) for path in everything):
        return everything | ({start} if start else set())
    needed = imported_by(start) if start else set()
    return {path for path in everything if not _is_test_file(path)} | needed


def imported_by(start: str) -> set[str]:
    """Return the files of the loaded modules that a file imports, at any depth, and itself.

    Read from the text: what it names in import statements anywhere, and in strings, since
    `import_module("shop.models")` leaves no other trace of a module that was loaded before.
    """
    packages = {path: _package(name) for name in list(sys.modules) if (path := _file(name))}
    found, todo = {start}, [start]
    while todo:
        path = todo.pop()
        for name in _named(path, packages.get(path, "")):
            file = _file(name)
            if file and file not in found and inputs.counts(file) and not _is_installed(file):
                found.add(file)
                todo.append(file)
    return found


def places(missing: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield where the modules would be that were not found: name -> folders of the search."""
    for name, folders in missing.items():
        if name not in sys.modules:
            last = name.rpartition(".")[2]
            for folder in folders:
                base = _join(os.path.abspath(folder), last)  # noqa: PTH100 - "" is the folder of now
                yield from (base, f"{base}.py", base + EXTENSION_SUFFIXES[0])


def earlier(files: Collection[str]) -> Iterator[str]:
    """Yield where other modules would hide the loaded ones, as far as their files are inputs.

    Of installed packages only the top: nobody adds to the inside of one.
    """
    for name in list(sys.modules):
        path = _file(name)
        if path in files and ("." not in name or not _is_installed(path)):
            yield from _before(name, path)


def has_spawned(before: Collection[str]) -> bool:
    """Whether multiprocessing has begun to start processes in ways that no audit event shows."""
    return any(name in sys.modules and name not in before for name in _SPAWNS)


def _before(name: str, file: str) -> Iterator[str]:
    last = name.rpartition(".")[2]
    for folder in _searched(name):
        base = _join(folder, last)
        for place in (_join(base, "__init__.py"), base + EXTENSION_SUFFIXES[0], f"{base}.py"):
            if place == file:
                return
            yield place


def _searched(name: str) -> list[str]:
    parent = name.rpartition(".")[0]
    if not parent:
        return [os.path.abspath(each) for each in sys.path]  # noqa: PTH100
    return [str(each) for each in attributes(sys.modules.get(parent)).get("__path__") or ()]


def _file(name: str) -> str:
    """Return the file of a loaded module, or of the archive that it is in; "" if it has none."""
    held = attributes(sys.modules.get(name))
    archive = getattr(held.get("__loader__"), "archive", None)  # zipimport.zipimporter
    file = archive or held.get("__file__")
    return os.path.abspath(inputs.source_of(file)) if isinstance(file, str) else ""  # noqa: PTH100


def attributes(module: Any) -> Mapping[str, Any]:
    """Return what a module holds without asking it: a lazy one would load itself."""
    try:
        found = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _package(name: str) -> str:
    return str(attributes(sys.modules.get(name)).get("__package__") or "")


def _is_test_file(path: str) -> bool:
    name = os.path.basename(path)  # noqa: PTH119
    return name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py")


def _is_installed(path: str) -> bool:
    return f"-packages{os.sep}" in path


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip(os.sep)}{os.sep}{name}"


def _named(path: str, package: str) -> set[str]:
    """Return the names of modules that a source file mentions, and of packages above them."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - Path would cost an import's worth of calls
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return set()
    found = {name for node in ast.walk(tree) for name in _mentioned(node, package)}
    return {above for name in found for above in _with_parents(name)}


def _mentioned(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, package)
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.partition(":")[0]


def _base(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of `from ..x import y`."""
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
