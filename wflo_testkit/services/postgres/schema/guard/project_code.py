"""The project's own code that is loaded or running: its files, and what its modules hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

from wflo_testkit.services.postgres.schema.manifest.modules import attributes

_KIT = Path(__file__).parents[4]
_FOREIGN = {"site-packages", "dist-packages", "node_modules"}
_LARGEST = 1 << 20
"""Bytes; a larger file holds data, and nobody's settings."""


class ProjectCode:
    """A look at the project in `root` from the call that asked for a connection.

    stack: (file, line) of the project's frames, the innermost first.
    modules: name -> namespace of its modules, but for those whose import is still under way.
    """

    def __init__(self, root: Path) -> None:
        self._roots = tuple(dict.fromkeys((root.absolute(), root.resolve())))
        # Of thousands of modules few are the project's: a Path for each would take 0.1 s.
        self._prefixes = tuple(str(each) for each in self._roots)
        self.stack: list[tuple[Path, int]] = []
        self.modules: dict[str, Mapping[str, Any]] = {}
        self._files: dict[Path, None] = {}
        running = self._look_at_stack()
        for name, module in list(sys.modules.items()):
            namespace = attributes(module)
            file = namespace.get("__file__")
            if isinstance(file, str) and (path := self._own(file)):
                self._files[path] = None
                if id(namespace) not in running:
                    self.modules[name] = namespace

    def shown(self, path: Path) -> str:
        """Return `path` for people: relative to the root."""
        inside = (path.relative_to(each) for each in self._roots if path.is_relative_to(each))
        return str(next(inside, path))

    @cached_property
    def lines(self) -> list[tuple[str, str]]:
        """The pairs ("file:line", text) of the project's loaded code, what runs first."""
        return [line for path in self._files for line in self.lines_of(path)]

    def lines_of(self, path: Path) -> Iterator[tuple[str, str]]:
        """Yield ("file:line", text) of one file; nothing of one that cannot be read."""
        try:
            text = path.read_text(errors="replace") if path.stat().st_size <= _LARGEST else ""
        except OSError:
            return
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{self.shown(path)}:{number}", line

    def folders(self) -> list[Path]:
        """Return the root, the current folder, and those of running code and above it."""
        found = dict.fromkeys((self._roots[0], Path.cwd()))
        for path, _line in self.stack:
            found |= dict.fromkeys(each for each in path.parents if self._is_inside(each))
        return list(found)

    def _look_at_stack(self) -> set[int]:
        """Take note of the project's frames; return the ids of namespaces that are being filled."""
        running = set()
        for frame in _frames():
            if path := self._own(frame.f_code.co_filename):
                self.stack.append((path, frame.f_lineno))
                self._files[path] = None
                if frame.f_code.co_name == "<module>":
                    running.add(id(frame.f_globals))
        return running

    def _own(self, file: str) -> Path | None:
        if not file.endswith(".py") or not file.startswith(self._prefixes):
            return None
        path = Path(file)
        foreign = _FOREIGN & set(path.parts) or path.is_relative_to(_KIT)
        return None if foreign else path

    def _is_inside(self, path: Path) -> bool:
        return any(path.is_relative_to(each) for each in self._roots)


def _frames() -> Iterator[FrameType]:
    """Yield the frames of this call, and of whoever awaits it across SQLAlchemy's greenlets."""
    yield from _back(sys._getframe(1))  # noqa: SLF001 - documented, for tools like this one
    if "greenlet" in sys.modules:
        import greenlet

        caller = greenlet.getcurrent().parent
        while caller is not None:
            yield from _back(caller.gr_frame)
            caller = caller.parent


def _back(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
