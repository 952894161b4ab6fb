"""Cuts the documentation into sections and their code blocks.

A section is what stands below one heading of the second level. Its blocks that begin with a
comment such as `# test_orders.py` are the files of one small project.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (?P<path>[\w./-]*(\.(py|toml|sql|ini|txt|conf)|Dockerfile))\n")


@dataclass(frozen=True)
class Block:
    """One fenced block. path: the file that it is, "" when it is none."""

    language: str
    text: str

    @property
    def path(self) -> str:
        found = _FILE_NAME.match(self.text.replace("-- ", "# ", 1))
        return found["path"] if found else ""


@dataclass(frozen=True)
class Section:
    """The blocks below one heading."""

    page: Path
    title: str
    blocks: tuple[Block, ...]

    @property
    def id(self) -> str:
        return f"{self.page.name}: {self.title}"

    @property
    def files(self) -> dict[str, str]:
        return {block.path: block.text for block in self.blocks if block.path}

    @property
    def has_tests(self) -> bool:
        return any(Path(name).name.startswith("test_") for name in self.files)

    @property
    def slug(self) -> str:
        return re.sub(r"\W+", "_", self.title.lower()).strip("_")

    def of(self, *languages: str) -> list[Block]:
        return [block for block in self.blocks if block.language in languages]


def sections(page: Path) -> list[Section]:
    """Return the page's sections; what stands before the first heading is one called "top"."""
    # A heading inside a fence is a comment of the code there.
    cut = _FENCE.sub(
        lambda found: re.sub(r"^## ", "##\0", found[0], flags=re.MULTILINE), text(page)
    )
    parts = re.split(r"^## (.*)$", cut, flags=re.MULTILINE)
    titles = ["top", *parts[1::2]]
    bodies = [part.replace("##\0", "## ") for part in parts[0::2]]
    return [
        Section(page, title, tuple(_blocks(body)))
        for title, body in zip(titles, bodies, strict=True)
    ]


def every_section() -> list[Section]:
    return [section for page in PAGES for section in sections(page)]


def text(page: Path) -> str:
    return page.read_text()


def entry_points(section: Section) -> dict[str, dict[str, str]]:
    """Return group -> name -> object of the section's pyproject.toml."""
    project = tomllib.loads(section.files.get("pyproject.toml", "")).get("project", {})
    found: dict[str, dict[str, str]] = project.get("entry-points", {})
    return found


def _blocks(body: str) -> list[Block]:
    return [Block(found["language"], found["text"]) for found in _FENCE.finditer(body)]
