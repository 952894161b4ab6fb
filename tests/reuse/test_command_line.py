"""`clean` removes kept servers that no run uses; `ps` shows them all."""

from __future__ import annotations

import json

import pytest

from tests.docker_state import docker_state
from tests.reuse.conftest import Begin
from tests.reuse.parts import kept_by, remove_all_of
from wflo_testkit.cli import main
from wflo_testkit.model import Spec
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.kept import let_go
from wflo_testkit.runtime.reuse.user_folder import UserFolder


def test_clean_removes_server_record_and_network(
    begin: Begin, spec: Spec, home: UserFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = begin()
    broker.servers.get(spec)
    broker.close()

    assert main.main(["clean", "--reused"]) == 0

    assert list(docker_state(f"{labels.HOME}={home.label}")) == []
    assert home.files("*.json") == []
    said = capsys.readouterr().out
    assert "removed  container wflo-reused-notes-" in said
    assert f"removed  network {home.network}" in said


def test_clean_leaves_what_a_run_uses_and_names_the_run(
    begin: Begin, spec: Spec, home: UserFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    used = begin(run="busy0001").servers.get(spec)

    assert main.main(["clean", "--reused"]) == 0

    assert kept_by(home) == [used.container_id]
    assert len(home.files("*.json")) == 1
    said = capsys.readouterr().out
    assert "left     container wflo-reused-notes-" in said
    assert "run busy0001 uses it" in said
    assert f"left     network {home.network}" in said


def test_clean_leaves_what_another_cache_folder_keeps(
    begin: Begin,
    spec: Spec,
    home: UserFolder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    broker = begin()
    kept = broker.servers.get(spec)
    broker.close()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("another")))

    assert main.main(["clean", "--reused"]) == 0

    assert kept_by(home) == [kept.container_id]


def test_clean_removes_what_is_left_of_a_cache_folder_that_is_gone(
    processes_of_a_dead_home: UserFolder,
) -> None:
    assert main.main(["clean", "--reused"]) == 0

    assert kept_by(processes_of_a_dead_home) == []


@pytest.fixture
def processes_of_a_dead_home(
    begin: Begin, spec: Spec, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> UserFolder:
    """A home whose folder was deleted, and whose maker is dead (this process counts as such)."""
    broker = begin()
    broker.servers.get(spec)
    broker.close()
    home.folder.rename(home.folder.with_name("moved"))
    from wflo_testkit.runtime.reuse import kept

    dead = labels.owner()
    monkeypatch.setattr(kept.labels, "owner_is_dead", lambda owner: owner == dead)
    return home


def test_all_forgets_the_record_before_the_server_goes(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    begin().servers.get(spec)
    [path] = home.files("*.json")
    marks = {labels.HOME: home.label, labels.REUSE: path.stem, labels.OWNER: labels.owner()}

    assert not let_go(marks)
    assert path.exists()
    assert let_go(marks, force=True)
    assert not path.exists()


def test_clean_forgets_records_whose_container_is_gone(
    begin: Begin, spec: Spec, home: UserFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = begin()
    broker.servers.get(spec)
    broker.close()
    remove_all_of(home)

    main.main(["clean", "--reused"])

    assert home.files("*.json") == []
    assert "removed  record of notes" in capsys.readouterr().out


def test_ps_shows_that_it_is_kept_and_who_uses_it(
    begin: Begin, spec: Spec, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = begin(run="busy0001")
    server = broker.servers.get(spec)

    def shown() -> tuple[dict[str, object], str]:
        main.main(["ps", "--json"])
        rows = json.loads(capsys.readouterr().out)
        main.main(["ps"])
        lines = capsys.readouterr().out.splitlines()
        [row] = [each for each in rows if each["id"] == server.container_id]
        [line] = [each for each in lines if str(row["name"]) in each]
        return row, line

    row, line = shown()
    assert (row["server"], row["reused"], row["used_by"]) == ("notes", True, ["busy0001"])
    assert "(reused by busy0001)" in line

    broker.close()
    row, line = shown()
    assert (row["reused"], row["used_by"]) == (True, [])
    assert "(reused)" in line
