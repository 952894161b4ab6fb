"""The file of addresses: read by dotenv and a shell, of one process alone, for its user alone."""

from __future__ import annotations

import subprocess
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from urllib.parse import quote

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wflo_testkit.errors import SettingError
from wflo_testkit.run.env_file import HEAD, EnvFile
from wflo_testkit.runtime import labels

DEAD = f"{labels.owner().split(' ')[0]} 4194305 1 {labels.owner().split(' ')[3]}"
"""An owner of this machine whose process id no Linux gives out (proc(5), pid_max)."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "up.env"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(password=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_dotenv_and_a_shell_read_is_the_url(path: Path, password: str) -> None:
    url = f"postgresql://user:{quote(password, safe='')}@127.0.0.1:5432/shop?a=b&c=d"
    file = EnvFile(path)

    file.write({"shop": url})

    shell = subprocess.run(
        ["sh", "-c", f'. {path}; printf %s "$SHOP_URL"'], capture_output=True, text=True, check=True
    )
    assert dotenv_values(path) == {"SHOP_URL": url}
    assert shell.stdout == url
    file.remove()


def test_only_its_user_can_read_it_and_no_draft_is_left(path: Path) -> None:
    EnvFile(path).write({})

    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["TOKEN=mine\n", "", "\udcff\x00", HEAD, f"{HEAD}{labels.owner()}"]
)
def test_what_is_not_a_dead_processs_is_refused_and_stays(path: Path, text: str) -> None:
    path.write_bytes(content := text.encode(errors="surrogateescape"))

    with pytest.raises(SettingError, match="--env-file") as caught:
        EnvFile(path)

    assert str(path) in str(caught.value.looked_at)
    assert path.read_bytes() == content


def test_a_dead_processs_is_written_over(path: Path) -> None:
    path.write_text(f"{HEAD}{DEAD}\nOLD_URL=a\n")

    EnvFile(path).write({"new": "b"})

    assert dotenv_values(path) == {"NEW_URL": "b"}


def test_of_two_that_find_none_the_second_to_write_is_refused(path: Path) -> None:
    first, second = EnvFile(path), EnvFile(path)
    first.write({"first": "a"})

    with pytest.raises(SettingError, match="another one may be up still"):
        second.write({"second": "b"})

    assert dotenv_values(path) == {"FIRST_URL": "a"}


def test_of_two_that_find_a_dead_processs_in_the_same_instant_the_second_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes while the first takes the dead one's away; locks of threads differ, too."""
    path.write_text(f"{HEAD}{DEAD}\n")
    first, second = EnvFile(path), EnvFile(path)
    unlink = Path.unlink

    def unlinked_late(self: Path, missing_ok: bool = False) -> None:
        if self == path and not others:
            others.append(pool.submit(second.write, {"second": "b"}))
            wait(others, timeout=0.3)
        unlink(self, missing_ok=missing_ok)

    others: list[Future[None]] = []
    monkeypatch.setattr(Path, "unlink", unlinked_late)
    with ThreadPoolExecutor() as pool:
        first.write({"first": "a"})

    with pytest.raises(SettingError, match="another one may be up still"):
        others[0].result()
    assert dotenv_values(path) == {"FIRST_URL": "a"}


def test_one_that_is_written_in_the_last_moment_is_not_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at what is there, and the step that puts ours there, are two."""
    file = EnvFile(path)
    unlink = Path.unlink

    def unlinked_and_made_anew(self: Path, missing_ok: bool = False) -> None:
        unlink(self, missing_ok=missing_ok)
        if self == path:
            path.write_text("another's")

    monkeypatch.setattr(Path, "unlink", unlinked_and_made_anew)
    with pytest.raises(SettingError, match="FileExistsError"):
        file.write({})

    assert path.read_text() == "another's"


def test_what_another_has_written_since_is_not_removed(path: Path) -> None:
    file = EnvFile(path)
    file.write({})
    path.write_text(f"{HEAD}{DEAD}\n")

    file.remove()

    assert path.exists()


def test_a_folder_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="FileNotFoundError"):
        EnvFile(tmp_path / "nowhere" / "up.env")
