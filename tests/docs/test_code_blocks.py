"""Every code block of the documentation runs, or is checked as far as it can be."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, Section, entry_points, every_section
from wflo_testkit import services, settings
from wflo_testkit.cli.main import parser
from wflo_testkit.settings import Settings

SECTIONS = every_section()
KNOWN = {
    "python",
    "toml",
    "bash",
    "console",
    "yaml",
    "sql",
    "ini",
    "text",
    "dockerfile",
    "nginx",
    "",
}
RUN = (
    "python -m pytest -p no:randomly -W error --wflo-require -q"
    " -o asyncio_mode=auto -o asyncio_default_fixture_loop_scope=function"
)
"""How a section's tests run when it shows no command: as the pages assume of a project."""


def named(sections: list[Section]) -> list[object]:
    return [pytest.param(section, id=section.id) for section in sections]


def projects() -> list[object]:
    """Return what runs as one pytest: a section with settings or commands of its own, or all other
    sections of a page side by side."""
    alone = [s for s in SECTIONS if s.has_tests and ("pyproject.toml" in s.files or s.of("bash"))]
    rest = [s for s in SECTIONS if s.has_tests and s not in alone]
    pages = [[s for s in rest if s.page == page] for page in PAGES]
    return [
        *(project([section], section.id) for section in alone),
        *(project(found, f"{found[0].page.name}: the rest") for found in pages if found),
    ]


def project(sections: list[Section], name: str) -> object:
    """Return one pytest run as a parameter; the README's are quick enough for `make test`."""
    marks = () if sections[0].page.name == "README.md" else pytest.mark.slow
    return pytest.param(sections, id=name, marks=marks)


@pytest.mark.parametrize("together", projects())
@pytest.mark.timeout(300)
def test_the_tests_of_a_page_pass(
    together: list[Section], tmp_path: Path, fresh_environment: pytest.MonkeyPatch
) -> None:
    for section in together:
        write(section, tmp_path / section.slug if len(together) > 1 else tmp_path)
    fresh_environment.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    fresh_environment.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    for command in commands(together):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
        )
        said = f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        assert done.returncode == 0, said
        assert " skipped" not in done.stdout, said


def write(section: Section, folder: Path) -> None:
    """Make the section's project in `folder`, installed as far as entry points go."""
    for name, text in section.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if groups := entry_points(section):
        metadata = folder / "example-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
        lines = [
            line
            for group, entries in groups.items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def commands(together: list[Section]) -> list[str]:
    """Return the sections' bash blocks; without one their tests are simply run."""
    written = [block.text for section in together for block in section.of("bash")]
    return written or [RUN]


def test_every_page_was_found_and_some_of_its_projects_run() -> None:
    names = {page.name for page in PAGES}

    assert {"README.md", "isolation.md", "settings.md", "writing-a-service.md"} <= names
    assert {"README.md", "isolation.md"} <= {s.page.name for s in SECTIONS if s.has_tests}


@pytest.mark.parametrize("section", named(SECTIONS))
def test_every_block_has_a_known_language_and_every_python_block_is_a_file(
    section: Section,
) -> None:
    assert {block.language for block in section.blocks} <= KNOWN
    assert [block.text for block in section.of("python") if not block.path] == []
    if section.of("python"):
        assert section.has_tests, "python blocks without a test are never run"


@pytest.mark.parametrize("section", named([s for s in SECTIONS if s.of("bash")]))
def test_bash_blocks_stand_beside_tests_so_that_they_run(section: Section) -> None:
    assert section.has_tests


@pytest.mark.parametrize("section", named([s for s in SECTIONS if s.of("toml")]))
def test_toml_blocks_hold_settings_that_exist(section: Section, tmp_path: Path) -> None:
    table = services.table()
    for block in section.of("toml"):
        if "images." in block.text or entry_points(section):
            tomllib.loads(block.text)
            continue
        (tmp_path / "pyproject.toml").write_text(block.text)
        Settings.load(
            settings.every(table),
            settings.words(table),
            rootdir=tmp_path,
            environ={},
            command_line={},
            container=services.row(services.CONTAINER),
            kinds=settings.kinds(table),
        )


def lines() -> Iterator[tuple[str, str]]:
    """Yield (section, command) for every line that a console block lets the reader type."""
    for section in SECTIONS:
        for block in section.of("console"):
            for line in block.text.splitlines():
                if line.startswith("$ "):
                    yield section.id, line[2:].partition("  #")[0].strip()


@pytest.mark.parametrize(("where", "line"), list(lines()))
def test_what_a_reader_is_told_to_type_exists(where: str, line: str) -> None:
    words = shlex.split(line)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        assert words[0].partition("=")[0] in variables(), words[0]
        words = words[1:]
    check = CHECKS.get(words[0])

    assert check is not None, f"{where}: no check knows the command {words[0]!r}"
    check(words[1:])


def variables() -> set[str]:
    every = settings.every(services.table())
    own = {settings.variable(option.key) for option in every}
    return (
        own | {v for o in every for v in o.variables} | {"DOCKER_HOST", "CI", "WFLO_SETUP_DOCKER"}
    )


def is_target(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in words:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def is_command(words: list[str]) -> None:
    parser().parse_args(words)


def is_option(words: list[str]) -> None:
    every = {"--wflo-specs"} | {
        settings.flag(option.key) for option in settings.every(services.table())
    }
    for word in words:
        if word.startswith("--wflo-"):
            assert word.partition("=")[0] in every, word


def is_extra(words: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert words[0] == "install"
    for word in words[1:]:
        if found := re.fullmatch(r"wflo-testkit\[(.*)\]", word):
            assert set(found[1].split(",")) <= set(project["optional-dependencies"])


def is_anything(words: list[str]) -> None:
    """Do not check a command that is not the kit's."""


CHECKS = {
    "make": is_target,
    "wflo-testkit": is_command,
    "pytest": is_option,
    "pip": is_extra,
    "python": is_anything,
    "psql": is_anything,
    "sh": is_anything,
    "docker": is_anything,
    "sudo": is_anything,
    "git": is_anything,
    "cd": is_anything,
}


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_a_planted_block_is_found_with_its_file_and_its_section(tmp_path: Path) -> None:
    from tests.docs.pages import sections

    page = tmp_path / "page.md"
    page.write_text("# T\n## One\n```python\n# test_a.py\n## not a heading\n```\n## Two\n")

    one = sections(page)[1]

    assert (one.title, one.has_tests) == ("One", True)
    assert one.blocks == (Block("python", "# test_a.py\n## not a heading\n"),)


def test_the_service_that_the_docs_show_is_the_one_that_is_tested(root: Path) -> None:
    tested = (root / "tests/services/third_party/notes_service.py").read_text()
    page = (root / "docs" / "writing-a-service.md").read_text()

    assert f"```python\n# notes_service.py\n{tested}```" in page


PAGES_MESSAGES = re.findall(
    r"^`([^`]+)`(?:, `([^`]+)`)*: ", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE
)


@pytest.mark.parametrize("message", [m for group in PAGES_MESSAGES for m in group if m])
def test_a_message_that_the_docs_explain_is_one_that_the_kit_can_say(message: str) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "wflo_testkit").rglob("*.py"))

    assert message in sources
