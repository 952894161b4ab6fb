"""A record is there wholly or not at all, and only the one who wrote it last can be lost."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest

from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.reuse import user_folder as home_module
from wflo_testkit.runtime.reuse.records import LAYOUT, Record, Records, key_of, project_of
from wflo_testkit.runtime.reuse.user_folder import UserFolder, folder_of

KEY = "0123456789abcdef"
SERVER = Server(
    service="s", name="notes", host="127.0.0.1", ports={"main": 1}, container_id="c1", image="i"
)
RECORD = Record(
    key=KEY,
    name="notes",
    project="here",
    daemon="unix:///x",
    server={**SERVER.to_json(), "password": "secret"},
    image_id="i",
    started_at="2026",
    made=1.0,
    max_idle=60.0,
)


@pytest.fixture
def home(tmp_path: Path) -> UserFolder:
    home = UserFolder(tmp_path / "servers")
    home.prepare()
    return home


@pytest.fixture
def records(home: UserFolder) -> Records:
    return Records(home)


def test_what_is_written_is_read_again(records: Records) -> None:
    records.write(RECORD)
    found = records.read(KEY)

    assert found is not None
    assert dataclasses.replace(found, used=0.0) == RECORD
    assert found.used > 0
    assert list(records) == [found]


def test_a_record_does_not_show_its_password() -> None:
    assert "secret" not in repr(RECORD)


def test_a_writer_that_dies_half_way_leaves_the_old_record(
    records: Records, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write(RECORD)

    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(home_module.Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        records.write(dataclasses.replace(RECORD, made=2.0))
    found = records.read(KEY)

    assert found is not None
    assert found.made == 1.0
    assert home.files(".draft-*") == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"key": 1}', json.dumps({"layout": 0})],
    ids=["empty", "cut", "list", "no fields", "wrong", "layout"],
)
def test_what_cannot_be_understood_is_no_record(
    records: Records, home: UserFolder, text: str
) -> None:
    home.write(f"{KEY}.json", text)

    assert records.read(KEY) is None


@pytest.mark.parametrize(
    "changed",
    [
        *({"max_idle": "60"}, {"made": None}, {"name": 1}, {"server": []}, {"server": {}}),
        *({"server": RECORD.server | each} for each in ({"ports": [1]}, {"ports": {"main": [1]}})),
        *({"server": RECORD.server | each} for each in ({"host": None}, {"container_id": ""})),
        {"of_a_later_version": 1},
    ],
    ids=itertools.count(),
)
def test_a_record_with_fields_of_other_types_is_none(
    records: Records, home: UserFolder, changed: dict[str, object]
) -> None:
    records.write(RECORD)
    [path] = home.files("*.json")
    home.write(path.name, json.dumps(json.loads(path.read_text()) | changed))

    assert records.read(KEY) is None


def test_what_a_service_has_added_to_its_server_is_left_to_the_service(
    records: Records, home: UserFolder
) -> None:
    records.write(dataclasses.replace(RECORD, server={**RECORD.server, "of_the_service": 1}))

    assert records.read(KEY) is not None


def test_a_record_under_another_key_or_layout_is_none(records: Records, home: UserFolder) -> None:
    records.write(RECORD)
    [path] = home.files("*.json")
    home.write("another.json", path.read_text())
    home.write(path.name, path.read_text().replace(f'"layout": {LAYOUT}', '"layout": 0'))

    assert list(records) == []


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_what_others_can_read_or_write_is_no_record(
    records: Records, home: UserFolder, mode: int
) -> None:
    records.write(RECORD)
    home.files("*.json")[0].chmod(mode)

    assert records.read(KEY) is None


def test_the_folder_is_closed_to_others_again(home: UserFolder) -> None:
    home.folder.chmod(0o755)
    home.prepare()

    assert home.folder.stat().st_mode & 0o077 == 0


def test_forgetting_spares_the_record_of_a_successor(records: Records, home: UserFolder) -> None:
    records.write(RECORD)
    successor = dataclasses.replace(RECORD, server={**RECORD.server, "container_id": "c2"})
    records.write(successor)
    with home.lock():
        records.forget(RECORD)
    assert records.read(KEY) is not None

    with home.lock():
        records.forget(successor)
    assert records.read(KEY) is None


def test_a_key_tells_apart_all_that_a_server_runs_on(home: UserFolder, tmp_path: Path) -> None:
    spec = Spec(service="s", name="n", image="i", options={"a": 1})
    given = {"daemon": "d", "host": "h", "policy": "auto"}

    def key(spec: Spec = spec, home: UserFolder = home, **changed: str) -> str:
        return key_of(spec, home, **(given | changed))

    keys = [
        key(),
        key(dataclasses.replace(spec, image="j")),
        key(dataclasses.replace(spec, name="m")),
        key(dataclasses.replace(spec, options={"a": 2})),
        key(home=UserFolder(tmp_path / "other")),
        *(key(**{name: "x"}) for name in given),
    ]

    assert len(set(keys)) == len(keys)
    assert key(dataclasses.replace(spec, startup_timeout=1.0)) == key()


def test_a_home_is_found_again_by_its_label_on_the_same_machine_only(home: UserFolder) -> None:
    found = folder_of(home.label)

    assert found is not None
    assert (found.folder, found.id) == (home.folder, home.id)
    assert folder_of(home.label.replace(home.label.split(" ")[0], "elsewhere/1")) is None
    assert folder_of("nonsense") is None


def test_a_relative_cache_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")

    assert UserFolder().folder == Path.home() / ".cache" / "wflo-testkit" / "servers"


def test_projects_differ_by_their_folder() -> None:
    assert project_of(Path("/a")) != project_of(Path("/b"))
