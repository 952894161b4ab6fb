"""The catalogue: one file holds every name and version."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wflo_testkit import catalog

ENTRIES = list(catalog.entries().values())


def test_a_published_name_is_found_by_the_service_name() -> None:
    assert catalog.official("redis").startswith("redis:")


def test_every_published_image_is_pinned() -> None:
    unpinned = [e.name for e in ENTRIES if e.official and ":" not in e.official]

    assert unpinned == []
    assert not [e.name for e in ENTRIES if e.official.endswith(":latest")]


def test_an_image_is_found_by_either_name() -> None:
    entry = catalog.entries()["redis"]

    assert catalog.find(entry.official) == entry
    assert catalog.find(entry.local) == entry
    assert catalog.find("redis:1") is None


def test_other_versions_of_a_service_are_found_by_either_name_and_wait_to_be_named() -> None:
    entry = catalog.entries()["postgres-18"]

    assert catalog.find("postgres:18.6") == entry
    assert catalog.find("wflo-testkit/postgres:18") == entry
    assert entry not in catalog.services()
    assert catalog.named(["postgres-18", "base", "redis"]) == (
        entry,
        catalog.entries()["redis"],
    )
    assert catalog.named([]) == catalog.services()


def test_what_only_the_kits_own_tests_run_waits_to_be_named() -> None:
    """No user's run brings it; a Dockerfile that begins with its published name finds it."""
    entry = catalog.find("python:3.13-slim")

    assert entry == catalog.entries()["python"]
    assert entry not in catalog.services()
    assert catalog.named(["python"]) == (entry,)


def test_the_set_up_of_the_kits_own_tests_names_them(root: Path) -> None:
    script = root / "scripts" / "images_of_tests.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    names = set(done.stdout.split())
    others = names - {entry.name for entry in catalog.services()}
    assert len(names) - len(others) == len(catalog.services())
    assert others == {"python", "rabbitmq", "rabbitmq-management", "nginx"}
    assert "images_of_tests.py" in (root / "scripts" / "setup.sh").read_text()


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.role == "test"], ids=lambda e: e.name)
def test_the_docs_tell_the_names_that_a_stand_in_serves_for(
    root: Path, entry: catalog.ImageEntry
) -> None:
    page = (root / "docs" / "troubleshooting.md").read_text()

    assert f"| `{entry.name}` | `{entry.official}` |" in page


def test_needs_come_first_in_the_file() -> None:
    """So reading from top to bottom is an order of building, and no entry needs itself."""
    seen: set[str] = set()
    for entry in ENTRIES:
        assert set(entry.needs) <= seen
        seen.add(entry.name)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.name))
def test_a_dockerfile_takes_exactly_the_arguments_of_its_entry(
    entry: catalog.ImageEntry,
) -> None:
    text = (entry.context / "Dockerfile").read_text()
    given = {*entry.args, *(need.partition("-")[0].upper() for need in entry.needs)}
    given |= {"ROOTFS"} if entry.rootfs else set()

    assert given == set(re.findall(r"^ARG (\w+)$", text, flags=re.MULTILINE))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.name))
def test_a_dockerfile_needs_no_buildkit(entry: catalog.ImageEntry) -> None:
    """Debian's Docker 20.10 has the classic builder only."""
    text = (entry.context / "Dockerfile").read_text()

    assert not re.search(r"--mount|--chmod|<<|^# *syntax", text, flags=re.MULTILINE)


def test_no_name_of_a_registry_or_mirror_is_written_down(root: Path) -> None:
    """Tools know theirs; a name here would get past a company's mirror."""
    hosts = re.compile(r"https?://(?!maven\.apache\.org/POM)|docker\.io/|\bdeb\.debian")
    texts = [p for p in (root / "containers").rglob("*") if p.is_file()]

    assert [p.name for p in texts if hosts.search(p.read_text())] == []
