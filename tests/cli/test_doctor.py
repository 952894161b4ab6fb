"""`doctor` says what works here, what does not, and what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.runtime.contexts import make_context
from wflo_testkit import catalog, services
from wflo_testkit.cli import checks, doctor, project
from wflo_testkit.cli.checks import Check
from wflo_testkit.cli.project import Project
from wflo_testkit.errors import SettingError
from wflo_testkit.runtime import images, labels
from wflo_testkit.wait import wait_until

Report = Callable[..., dict[str, Check]]


@pytest.fixture
def here(empty_project: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return empty_project


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What pytest says of an empty project."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WFLO_TEST", "PYTEST_"))]:
            patch.delenv(name)
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_PLUGINS", "wflo_testkit.plugin")
        return project.read(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def report(here: pytest.MonkeyPatch, tmp_path: Path) -> Report:
    """report() -> what doctor finds in the working folder, by name."""
    return lambda: {check.name: check for check in checks.everything(tmp_path)}


@pytest.fixture
def plain_report(report: Report, here: pytest.MonkeyPatch, plain: Project) -> Report:
    """The same with general settings as given, for what is not about where they come from."""

    def look(**chosen: object) -> dict[str, Check]:
        sources = dict.fromkeys(chosen, "the test")
        told = replace(plain, settings={**plain.settings, **chosen}, sources=sources)
        here.setattr(project, "read", lambda _folder: told)
        return report()

    return look


def test_a_healthy_machine_exits_0_and_the_last_line_says_ready(
    here: pytest.MonkeyPatch, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("doctor") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "python"
    assert lines[-1] == "ready"


def test_json_holds_the_same_checks(
    here: pytest.MonkeyPatch, plain: Project, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    here.setattr(project, "read", lambda _folder: plain)
    assert command("doctor", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    names = {check["name"] for check in found["checks"]}
    assert found["ok"] is True
    assert {"wflo-testkit", "python", "daemon", "reaper", "storage"} <= names
    assert {entry.name for entry in catalog.services()} <= names


def test_the_daemon_is_named_with_its_address_version_and_kind(
    plain_report: Report, api: Any
) -> None:
    daemon = plain_report()["daemon"]

    assert daemon.status == "ok"
    assert api.version()["Version"] in daemon.text
    assert "rootful" in daemon.text or "rootless" in daemon.text
    assert "docker.sock" in daemon.text or "DOCKER_HOST" in daemon.text


def test_the_reaper_really_starts_acknowledges_and_goes(plain_report: Report, api: Any) -> None:
    def reapers() -> set[str]:
        found = api.containers(all=True, filters={"label": f"{labels.KIT}=reaper"})
        return {each["Id"] for each in found if "reaper-doctor-" in each["Names"][0]}

    before = reapers()

    assert plain_report()["reaper"].status == "ok"
    # Those of a doctor that another process runs at this moment come and go as well.
    wait_until(lambda: not reapers() - before, timeout=20, describe="the doctor's reaper goes")


def test_a_reaper_that_is_switched_off_is_a_warning_that_names_the_place(
    plain_report: Report,
) -> None:
    reaper = plain_report(ryuk=False)["reaper"]

    assert reaper.status == "warn"
    assert "(the test)" in reaper.text


@pytest.mark.parametrize("name", [entry.name for entry in catalog.services()])
def test_each_images_line_names_the_one_that_a_test_would_get(
    plain_report: Report, api: Any, name: str
) -> None:
    from wflo_testkit.runtime import daemon

    entry = catalog.entries()[name]
    client = daemon.connect()
    present = [n for n in (entry.official, entry.local) if images.inspect(client.client, n)]
    serves = images.resolve(client.client, entry.official).reference if present else entry.official
    client.client.close()

    assert serves in plain_report()[name].text


def test_absent_official_images_are_said_to_be_unverified(plain_report: Report, api: Any) -> None:
    from docker.errors import ImageNotFound

    def present(reference: str) -> bool:
        try:
            return bool(api.inspect_image(reference))
        except ImageNotFound:
            return False

    absent = [e.official for e in catalog.services() if not present(e.official)]
    found = plain_report().get("official")

    assert (found is not None) == bool(absent)
    if found is not None:
        assert found.text == "official images: not verified here"


def test_an_image_that_the_policy_wants_and_nobody_has_names_the_remedy(
    plain_report: Report, here: pytest.MonkeyPatch
) -> None:
    here.setattr(checks.images, "inspect", lambda *_: None)
    found = plain_report(images="official")

    for entry in catalog.services():
        check = found[entry.name]
        assert check.status == "warn"
        assert check.fix == "run `wflo-testkit images pull`"


def test_a_local_image_that_was_not_built_is_an_error(
    plain_report: Report, here: pytest.MonkeyPatch
) -> None:
    here.setattr(checks.images, "inspect", lambda *_: None)
    found = plain_report(images="local")

    rows = {check.name for check in found.values() if check.section == "images"}
    assert rows - {"official"} == {entry.name for entry in catalog.services()}
    for entry in catalog.services():
        check = found[entry.name]
        assert check.status == "error"
        assert check.fix == f"run `wflo-testkit images build {entry.name}`"


def test_without_a_daemon_the_exit_code_is_1_and_the_address_is_named(
    here: pytest.MonkeyPatch, tmp_path: Path, root: Path
) -> None:
    here.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    here.setenv("PYTHONPATH", str(root))

    done = subprocess.run(
        [sys.executable, "-m", "wflo_testkit.cli.main", "doctor"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1, done.stderr
    assert f"unix://{tmp_path}/none.sock (environment: DOCKER_HOST)" in done.stdout
    assert "        -> start Docker" in done.stdout
    assert done.stdout.splitlines()[-1] == "not ready: see ERROR above"


def test_a_docker_context_that_is_not_there_is_an_error_that_names_those_that_are(
    plain_report: Report, here: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here.delenv("DOCKER_HOST", raising=False)
    here.setenv("DOCKER_CONFIG", str(tmp_path))
    here.setenv("DOCKER_CONTEXT", "gone")
    make_context(tmp_path, "desk", "unix:///desk.sock")

    check = plain_report()["daemon"]

    assert check.status == "error"
    assert "no Docker context 'gone'" in check.text
    assert "there are: default, desk" in check.text
    assert "DOCKER_CONTEXT" in check.fix


def test_settings_that_are_not_defaults_are_listed_with_their_place_but_no_value(
    report: Report, here: pytest.MonkeyPatch
) -> None:
    here.setenv("WFLO_TESTKIT_REPORT", "secret")
    here.setenv("WFLO_TESTKIT_IMAGS", "local")

    found = report()

    check = found["report"]
    assert (check.section, check.text) == ("settings", "environment: WFLO_TESTKIT_REPORT")
    assert found["unknown"].status == "warn"
    assert "did you mean 'WFLO_TESTKIT_IMAGES'" in found["unknown"].text


def test_a_project_whose_pytest_is_broken_is_an_error_and_the_other_checks_still_run(
    report: Report, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text("import no_such_application")

    found = report()

    assert found["settings"].status == "error"
    assert "No module named 'no_such_application'" in found["settings"].text
    assert found["daemon"].status == "ok"
    assert found["redis"].status != "error"


def test_a_wrong_setting_is_an_error_and_the_other_checks_still_run(
    report: Report, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.wflo-testkit]\nimgaes = 'local'\n")

    found = report()

    assert found["settings"].status == "error"
    assert found["settings"].fix == "did you mean 'images'?"
    assert found["daemon"].status == "ok"


def test_a_table_of_services_that_cannot_be_read_is_an_error_and_not_a_crash(
    report: Report, here: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise SettingError("two services are called 'store'")

    here.setattr(services, "table", broken)

    found = report()

    assert found["settings"].text == "two services are called 'store'"
    assert found["daemon"].status == "ok"


def fake_service(*packages: str) -> Any:
    convenience = SimpleNamespace(packages=packages, extra="store")
    return {"store": SimpleNamespace(conveniences=(convenience,))}


def test_a_client_library_that_is_missing_is_a_warning_with_its_extra_by_a_fake_service() -> None:
    missing, present = list(checks._python(fake_service("no_such_client", "pytest")))[-2:]

    assert (missing.status, missing.fix) == ("warn", "pip install 'wflo-testkit[store]'")
    assert present.text == f"pytest {pytest.__version__}"


@pytest.mark.parametrize(("free", "status"), [(5_000_000_000, "ok"), (20_000_000, "warn")])
def test_little_room_is_a_warning(free: int, status: str) -> None:
    check = checks._enough("free disk", free, checks.LITTLE_DISK, "make room")

    assert check.status == status


def test_a_cause_of_several_lines_stays_on_one() -> None:
    text = doctor.lines([Check("docker", "daemon", "error", "a\n  b", "c")])

    assert text == ["docker", "  ERROR  daemon  a b", "        -> c"]
