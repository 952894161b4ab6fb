"""A run of its own for each file of tests; what it starts is there until the file's end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.containers.project import Project, project


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(tmp_path_factory.mktemp("project")) as made:
        yield made
