"""How long a server may be idle is written as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wflo_testkit.errors import SettingError
from wflo_testkit.settings import GENERAL, Settings
from wflo_testkit.settings.values import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("24h", 86400), (" 7D ", 604800), ("0", 0)],
)
def test_a_duration_is_a_number_with_or_without_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "soon", "1w", "1h30m", "24 hours"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no number of seconds"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(86400, "1d"), (5400, "90m"), (90, "90s"), (0.5, "0.5s"), (0, "0s")]
)
def test_it_is_shown_in_the_largest_unit_that_needs_no_fraction(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


def loaded(folder: Path, value: str = "", **environ: str) -> float:
    if value:
        (folder / "pyproject.toml").write_text(f"[tool.wflo-testkit]\nreuse_max_idle = {value}\n")
    settings = Settings.load(GENERAL, {}, rootdir=folder, environ=environ, command_line={})
    return float(settings["reuse_max_idle"])


@pytest.mark.parametrize(("value", "seconds"), [("60", 60), ("1.5", 1.5), ('"2h"', 7200)])
def test_the_file_may_say_a_number_or_a_text(tmp_path: Path, value: str, seconds: float) -> None:
    assert loaded(tmp_path, value) == seconds


def test_so_may_the_variable_and_the_default_is_a_day(tmp_path: Path) -> None:
    assert loaded(tmp_path) == 86400
    assert loaded(tmp_path, WFLO_TESTKIT_REUSE_MAX_IDLE="10m") == 600


@pytest.mark.parametrize("value", ["true", '"soon"', "-1", '"-1h"'])
def test_a_bad_one_names_setting_place_and_remedy(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        loaded(tmp_path, value)

    assert "reuse_max_idle" in caught.value.text
    assert "pyproject.toml" in caught.value.text
    assert "24h" in caught.value.text
