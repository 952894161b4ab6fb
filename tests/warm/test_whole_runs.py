"""Runs of pytest as users start them: the first one makes, the second one is warm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import docker
import pytest

from tests.conftest import Run
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.wait import wait_until

SUITE = """
def test_it(postgres_server, postgres_database):
    import psycopg
    with psycopg.connect(postgres_database.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
"""
PROMISE = "warm images of postgres are made after this run, in the background"

Report = Callable[..., dict[str, str]]


@pytest.fixture
def home(own_images: Notes, client: docker.DockerClient) -> Iterator[Notes]:
    """The notes that the runs of one test find; what was made for them goes."""
    yield own_images
    for image in noted(own_images):
        client.api.remove_image(image, force=True)


@pytest.fixture
def report(run_suite: Run, home: Notes, pytester: pytest.Pytester) -> Report:
    """report("--wflo-x") -> what a run says of its Postgres, and all that it printed."""
    assert home

    def report(*options: str) -> dict[str, str]:
        result = run_suite(SUITE, "--wflo-require", "--wflo-report=report.json", *options)
        result.assert_outcomes(passed=1)
        [row] = json.loads((pytester.path / "report.json").read_text())["services"]
        return {"origin": row["origin"], "said": result.stdout.str()}

    return report


def noted(notes: Notes) -> list[str]:
    """Return the ids of the images that are written down."""
    files = notes.home.files("*.json")
    return [f"sha256:{path.stem}" for path in files if not path.stem.endswith(".failed")]


def wait_for_the_image(client: docker.DockerClient, notes: Notes) -> None:
    """Return when the helper of a run that has ended is done."""

    def is_named() -> bool:
        assert not notes.failures()
        [image] = noted(notes)
        return bool(client.api.inspect_image(image)["RepoTags"])

    wait_until(is_named, timeout=300, poll=0.2, describe="the warm image", catch=ValueError)


@pytest.mark.slow
def test_the_second_run_is_warm_though_the_first_took_a_moment(
    client: docker.DockerClient, home: Notes, report: Report
) -> None:
    first = report()
    wait_for_the_image(client, home)
    second = report()

    assert PROMISE in first["said"]
    assert "warm" not in first["origin"]
    assert second["origin"] == f"{first['origin']}, warm"
    assert PROMISE not in second["said"]


@pytest.mark.slow
def test_servers_that_are_kept_start_from_it_too(
    client: docker.DockerClient, home: Notes, report: Report
) -> None:
    report()
    wait_for_the_image(client, home)
    from tests.reuse.parts import remove_all_of

    try:
        kept = [report("--wflo-reuse") for _ in range(2)]
    finally:
        remove_all_of(UserFolder())  # the folder of this test: see XDG_CACHE_HOME above

    assert all(row["origin"].endswith(", warm") for row in kept)
    assert "reused, found" in kept[1]["said"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"WFLO_TESTKIT_WARM_IMAGES": "0"}, {"CI": "true"}],
    ids=["forbidden", "in CI"],
)
def test_nothing_is_made_where_it_is_not_wanted(
    home: Notes,
    report: Report,
    fresh_environment: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    for name, value in variables.items():
        fresh_environment.setenv(name, value)
    told = report()

    assert PROMISE not in told["said"]
    assert noted(home) == []
