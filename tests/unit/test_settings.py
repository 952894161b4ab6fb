"""Settings: four places, one precedence, and errors that name the place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wflo_testkit
from wflo_testkit.errors import SettingError
from wflo_testkit.plugin.process import declares_servers
from wflo_testkit.service import Option
from wflo_testkit.settings import GENERAL, Settings, common

Load = Callable[..., Settings]

STORE = (
    *common("store"),
    Option(key="store_url", default="", help="address", variables=("TEST_STORE_URL",)),
    Option(key="store_mode", default="whole", help="mode", choices=("whole", "part")),
    Option(key="store_parts", default=3, help="count"),
    Option(key="store_names", default=["default"], help="names"),
    Option(
        key="store_peers", default=[], help="peers", on_command_line=False, in_environment=False
    ),
)
SERVICES = {
    "store": ["image", "startup_timeout", "url", "mode", "parts", "names", "peers"],
    "store_front": ["image"],
}
OPTIONS = (*GENERAL, *STORE, Option(key="store_front_image", default="front", help="image"))


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(toml: str = "", environ: dict[str, str] | None = None, **more: Any) -> Settings:
        if toml:
            (tmp_path / "pyproject.toml").write_text(toml)
        fixtures, kinds = more.pop("fixtures", {}), more.pop("kinds", None)
        return Settings.load(
            OPTIONS,
            SERVICES,
            rootdir=tmp_path,
            environ=environ or {},
            command_line=more,
            fixtures=fixtures,
            kinds=kinds,
        )

    return load


FILE = "[tool.wflo-testkit]\nstore_url = 'file'\n"
OTHER = {"TEST_STORE_URL": "other"}
OWN = {"WFLO_TESTKIT_STORE_URL": "own"}


def test_without_a_project_file_every_setting_has_its_default(load: Load) -> None:
    settings = load()

    assert settings["store_parts"] == 3
    assert settings.source("store_parts") == "default"
    assert settings.warnings == []


def test_a_default_that_is_changed_in_one_run_is_untouched_in_the_next(load: Load) -> None:
    load()["store_names"].append("mine")

    assert load()["store_names"] == ["default"]


@pytest.mark.parametrize(
    ("toml", "environ", "typed", "value", "source"),
    [
        ("", {}, None, "", "default"),
        (FILE, {}, None, "file", "pyproject.toml: [tool.wflo-testkit] store_url"),
        (FILE, OTHER, None, "other", "environment: TEST_STORE_URL"),
        (FILE, OTHER | OWN, None, "own", "environment: WFLO_TESTKIT_STORE_URL"),
        (FILE, OTHER | OWN, "typed", "typed", "command line: --wflo-store-url"),
        (FILE, OTHER | OWN, "", "", "command line: --wflo-store-url"),
    ],
)
def test_the_strongest_place_wins_and_is_named(
    load: Load, toml: str, environ: dict[str, str], typed: str | None, value: str, source: str
) -> None:
    settings = load(toml, environ, store_url=typed)

    assert (settings["store_url"], settings.source("store_url")) == (value, source)


def test_an_empty_variable_counts_as_not_set(load: Load) -> None:
    settings = load(FILE, {"WFLO_TESTKIT_STORE_URL": "", "WFLO_TESTKIT_STORE_PARTS": ""})

    assert settings["store_url"] == "file"
    assert settings["store_parts"] == 3


@pytest.mark.parametrize("text", ["1", "true", "YES", "on", " True "])
def test_many_words_mean_true(load: Load, text: str) -> None:
    assert load("", {"WFLO_TESTKIT_KEEP": text})["keep"] is True


@pytest.mark.parametrize("text", ["0", "false", "NO", "off"])
def test_many_words_mean_false(load: Load, text: str) -> None:
    assert load("", {"WFLO_TESTKIT_RYUK": text})["ryuk"] is False


def test_variables_are_read_by_the_type_of_the_default(load: Load) -> None:
    settings = load(
        "",
        {
            "WFLO_TESTKIT_STORE_PARTS": "7",
            "WFLO_TESTKIT_STORE_STARTUP_TIMEOUT": "2.5",
            "WFLO_TESTKIT_STORE_NAMES": "a, b,,c",
            "WFLO_TESTKIT_ENV": '{"A": "{store.url}"}',
        },
    )

    assert settings["store_parts"] == 7
    assert settings["store_startup_timeout"] == 2.5
    assert settings["store_names"] == ["a", "b", "c"]
    assert settings["env"] == {"A": "{store.url}"}


def test_the_file_has_types_of_its_own_and_a_whole_number_may_stand_for_a_float(
    load: Load,
) -> None:
    settings = load(
        "[tool.wflo-testkit]\nstore_startup_timeout = 9\nstore_names = ['x']\n"
        "[tool.wflo-testkit.env]\nA = 'b'\n"
    )

    assert settings["store_startup_timeout"] == 9.0
    assert type(settings["store_startup_timeout"]) is float
    assert settings["store_names"] == ["x"]
    assert settings["env"] == {"A": "b"}


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("store_parts = '3'", "it is a string"),
        ("store_parts = true", "it is true or false"),
        ("store_parts = 2.5", "it is a number"),
        ("store_parts = -1", "it is negative or not finite"),
        ("store_startup_timeout = inf", "it is negative or not finite"),
        ("store_url = 5", "it is a whole number"),
        ("store_names = [1]", "not all of its elements are strings"),
        ("env = 'A=b'", "it is a string"),
        ("store_url = 1979-05-27", "it is something else"),
    ],
)
def test_a_wrong_value_in_the_file_is_an_error_that_says_why_and_where(
    load: Load, line: str, cause: str
) -> None:
    key = line.split(" ")[0]

    with pytest.raises(SettingError) as caught:
        load(f"[tool.wflo-testkit]\n{line}\n")

    assert caught.value.what.startswith(f"the setting {key} cannot be ")
    assert caught.value.cause == cause
    assert caught.value.looked_at == f"pyproject.toml: [tool.wflo-testkit] {key}"
    assert caught.value.fix is not None
    assert caught.value.fix.startswith("give it ")


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("KEEP", "maybe", "it is neither 1/true/yes/on nor 0/false/no/off"),
        ("STORE_PARTS", "many", "invalid literal for int"),
        ("STORE_STARTUP_TIMEOUT", "nan", "it is negative or not finite"),
        ("ENV", "A=b", "it is no JSON"),
        ("ENV", "[]", "it is a list of strings"),
    ],
)
def test_a_wrong_variable_is_an_error_that_names_it(
    load: Load, name: str, text: str, cause: str
) -> None:
    with pytest.raises(SettingError) as caught:
        load("", {f"WFLO_TESTKIT_{name}": text})

    assert caught.value.looked_at == f"environment: WFLO_TESTKIT_{name}"
    assert cause in str(caught.value.cause)


def test_a_value_that_is_no_choice_names_the_choices_and_the_nearest(load: Load) -> None:
    with pytest.raises(SettingError) as caught:
        load(store_mode="hole")

    assert str(caught.value).splitlines() == [
        "the setting store_mode cannot be 'hole'",
        "  cause:     it is not one of the choices",
        "  looked at: command line: --wflo-store-mode",
        "  to fix:    give it one of whole, part; did you mean 'whole'?",
    ]


def test_an_unknown_key_in_the_file_names_file_table_and_the_nearest_known(
    load: Load, tmp_path: Path
) -> None:
    with pytest.raises(SettingError) as caught:
        load("[tool.wflo-testkit]\nstore_imgae = 'x'\n")

    assert str(caught.value).splitlines() == [
        "unknown setting 'store_imgae'",
        f"  looked at: {tmp_path}/pyproject.toml, table [tool.wflo-testkit]",
        "  to fix:    did you mean 'store_image'?",
    ]


def test_an_unknown_key_that_resembles_nothing_lists_what_is_known(load: Load) -> None:
    with pytest.raises(SettingError, match="known are debug, env, external_max_age, fresh, images"):
        load("[tool.wflo-testkit]\nzzzzzzzz = 'x'\n")


def test_what_stands_in_the_file_only_is_not_read_from_a_variable(load: Load) -> None:
    toml = """
    [tool.wflo-testkit]
    store_peers = ["a"]
    [tool.wflo-testkit.servers.orders]
    service = "store"
    peers = ["b"]
    """
    names = ["WFLO_TESTKIT_STORE_PEERS", "WFLO_TESTKIT_ORDERS_PEERS"]
    settings = load(toml, environ=dict.fromkeys(names, "x"))

    assert settings["store_peers"] == ["a"]
    assert settings.server("orders")["peers"] == ["b"]
    assert settings.warnings == [
        f"the environment variable {name} sets nothing: that setting stands in pyproject.toml only"
        for name in sorted(names)
    ]


def test_an_unknown_variable_is_a_warning_that_names_the_nearest_known(load: Load) -> None:
    settings = load("", {"WFLO_TESTKIT_STORE_IMAG": "x", "WFLO_OTHER": "y"})

    assert settings.warnings == [
        "the environment variable WFLO_TESTKIT_STORE_IMAG sets nothing: "
        "did you mean 'WFLO_TESTKIT_STORE_IMAGE'?"
    ]


def test_a_file_that_is_no_toml_is_an_error_that_names_it(load: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read") as caught:
        load("# wflo-testkit\n[tool\n")

    assert caught.value.looked_at == str(tmp_path / "pyproject.toml")
    assert "line 2" in str(caught.value.cause)


def test_a_broken_file_that_does_not_mention_the_kit_is_not_its_business(load: Load) -> None:
    assert load("[tool\n")["keep"] is False


@pytest.mark.parametrize("toml", ["tool.wflo-testkit = 1", "[tool.wflo-testkit]\nservers = 1"])
def test_a_value_where_a_table_belongs_is_an_error(load: Load, toml: str) -> None:
    with pytest.raises(SettingError, match="is not a table"):
        load(toml)


def test_reuse_can_be_set_in_the_file(load: Load) -> None:
    assert load("[tool.wflo-testkit]\nreuse = true\n")["reuse"] is True


def test_with_ci_set_the_reuse_setting_is_ignored_and_the_source_says_so(load: Load) -> None:
    settings = load("[tool.wflo-testkit]\nreuse = true\n", {"CI": "true"})

    assert settings["reuse"] is False
    assert settings.source("reuse").startswith("environment: CI (it overrules pyproject.toml")


def test_with_ci_set_the_reuse_variable_is_ignored_too(load: Load) -> None:
    assert load("", {"CI": "1", "WFLO_TESTKIT_REUSE": "1"})["reuse"] is False


def test_with_ci_set_the_reuse_flag_is_obeyed(load: Load) -> None:
    assert load("", {"CI": "true"}, reuse=True)["reuse"] is True


def test_ci_set_to_false_is_no_ci(load: Load) -> None:
    assert load("", {"CI": "false", "WFLO_TESTKIT_REUSE": "1"})["reuse"] is True


@pytest.mark.parametrize(
    ("toml", "environ", "typed", "reuse"),
    [
        ("reuse = true", {}, {"fresh": True}, False),
        ("reuse = true\nfresh = true", {}, {}, False),
        ("fresh = true", {}, {"reuse": True}, True),
        ("fresh = true", {"WFLO_TESTKIT_REUSE": "1"}, {}, True),
        ("", {}, {"reuse": True, "fresh": True}, False),
    ],
)
def test_between_reuse_and_fresh_the_stronger_place_decides_and_a_tie_is_fresh(
    load: Load, toml: str, environ: dict[str, str], typed: dict[str, bool], reuse: bool
) -> None:
    assert load(f"[tool.wflo-testkit]\n{toml}\n", environ, **typed)["reuse"] is reuse


ORDERS = "[tool.wflo-testkit.servers.orders]\nservice = 'store'\n"


def test_an_extra_server_has_the_services_settings_overridden_by_its_own(load: Load) -> None:
    settings = load(
        "[tool.wflo-testkit]\nstore_parts = 5\nstore_mode = 'part'\n" + ORDERS + "parts = 9\n"
    )

    assert settings.servers == {"orders": "store"}
    assert settings.server("orders") == {
        "image": "",
        "startup_timeout": 60.0,
        "url": "",
        "mode": "part",
        "parts": 9,
        "names": ["default"],
        "peers": [],
    }
    assert settings.server("store")["parts"] == 5


def test_a_service_whose_name_begins_with_anothers_keeps_its_settings_to_itself(
    load: Load,
) -> None:
    settings = load()

    assert "front_image" not in settings.server("store")
    assert settings.server("store_front") == {"image": "front"}


def test_an_extra_server_has_variables_of_its_own(load: Load) -> None:
    settings = load(ORDERS + "url = 'file'\n", {"WFLO_TESTKIT_ORDERS_URL": "variable"})

    assert settings.server("orders")["url"] == "variable"
    assert settings.server("store")["url"] == ""
    assert settings.warnings == []


def test_an_unknown_key_of_an_extra_server_names_its_table(load: Load) -> None:
    with pytest.raises(SettingError, match=r"servers\.orders") as caught:
        load(ORDERS + "imag = 'x'\n")

    assert caught.value.fix == "did you mean 'image'?"


def test_a_wrong_value_of_an_extra_server_names_its_table(load: Load) -> None:
    with pytest.raises(SettingError, match=r"servers\.orders\] parts"):
        load(ORDERS + "parts = 'x'\n")


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("", "the server 'orders' names no service"),
        ("service = 'stor'", "of an unknown service 'stor'(.|\n)*did you mean 'store'"),
        ("service = 5", "of an unknown service 5"),
        ("service = []", "of an unknown service"),
    ],
)
def test_an_extra_server_names_a_known_service(load: Load, service: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        load(f"[tool.wflo-testkit.servers.orders]\n{service}\n")


@pytest.mark.parametrize("name", ["store", "class", "a-b", "Orders", "_x", "9x", "wflo", "a__b"])
def test_names_that_cannot_begin_a_fixture_are_refused(load: Load, name: str) -> None:
    with pytest.raises(SettingError, match="a server cannot be called"):
        load(f"[tool.wflo-testkit.servers.{name}]\nservice = 'store'\n")


def test_servers_whose_fixtures_would_have_one_name_are_refused(load: Load) -> None:
    both = ORDERS + "[tool.wflo-testkit.servers.orders_async]\nservice = 'store'\n"

    assert set(load(both).servers) == {"orders", "orders_async"}
    with pytest.raises(SettingError, match="both give 'orders_async_client'"):
        load(both, fixtures={"store": ["server", "client", "async_client"]})


@pytest.mark.parametrize(
    ("toml", "declared"),
    [
        (None, False),
        ("[tool.other]\nservers = 1\n", False),
        ("[tool.wflo-testkit]\nkeep = true\n", False),
        (ORDERS, True),
        ("[tool.wflo-testkit]\nservers.orders.service = 'store'\n", True),
        ("[tool.wflo-testkit.leases.attic]\nof = 'store_shelf'\n", True),
    ],
)
def test_declared_servers_are_noticed_without_parsing(
    tmp_path: Path, toml: str | None, declared: bool
) -> None:
    if toml is not None:
        (tmp_path / "pyproject.toml").write_text(toml)

    assert declares_servers(tmp_path) is declared


def test_loading_the_module_parses_nothing_and_needs_no_toml_reader() -> None:
    code = "import sys, wflo_testkit.settings; print({'tomllib', 'difflib'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_a_general_setting_is_read_somewhere_or_says_that_it_is_not() -> None:
    package = Path(wflo_testkit.__file__).parent
    files = [path for path in package.rglob("*.py") if "settings" not in path.parts]
    text = "".join(path.read_text() for path in files)
    read = {option.key for option in GENERAL if f'settings["{option.key}"]' in text}
    read.add("fresh")  # the settings themselves let it overrule `reuse`
    promised = {option.key for option in GENERAL if "Not yet in effect" not in option.help}

    assert read == promised


KINDS = {"store": {"shelf": ("plan",), "box": ()}}


def test_leases_are_declared_by_name(load: Load) -> None:
    leases = load(
        "[tool.wflo-testkit.servers.depot]\nservice = 'store'\n"
        "[tool.wflo-testkit.leases.attic]\nof = 'depot_shelf'\nplan = ['a:b.c', 'd.sql']\n"
        "[tool.wflo-testkit.leases.cellar]\nof = 'store_box'\nscope = 'run'\n",
        kinds=KINDS,
    ).leases

    assert [(each.server, each.kind, each.scope) for each in leases.values()] == [
        ("depot", "shelf", "worker"),
        ("store", "box", "run"),
    ]
    assert leases["attic"].inputs == {"plan": ["a:b.c", "d.sql"]}


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("attic", "scope = 'run'", "the lease 'attic' names no lease"),
        ("attic", "of = 'store_shelv'", "did you mean 'store_shelf'?"),
        ("attic", "of = 'store_box'\nplan = 'x'", "unknown setting 'plan'"),
        ("attic", "of = 'store_shelf'\npaln = 'x'", "did you mean 'plan'?"),
        ("attic", "of = 'store_shelf'\nplan = 7", "neither a text nor a list of texts"),
        ("attic", "of = 'store_shelf'\nplan = []", "neither a text nor a list of texts"),
        ("attic", "of = 'store_shelf'\nscope = 'session'", "write one of worker, run"),
        ("store", "of = 'store_shelf'", "a server has that name"),
        ("depot", "of = 'store_shelf'", "a server has that name"),
        ("depot_box", "of = 'store_shelf'", "a fixture of the kit has that name"),
        ("wflo_attic", "of = 'store_shelf'", "the kit's own fixtures begin with it"),
        ("Attic", "of = 'store_shelf'", "it is no lower-case identifier"),
    ],
)
def test_a_lease_that_cannot_be_is_refused(load: Load, name: str, table: str, said: str) -> None:
    with pytest.raises(SettingError) as error:
        load(
            "[tool.wflo-testkit.servers.depot]\nservice = 'store'\n"
            f"[tool.wflo-testkit.leases.{name}]\n{table}\n",
            kinds=KINDS,
            fixtures={"store": ["shelf", "box"]},
        )

    assert said in error.value.text
    assert f"table [tool.wflo-testkit.leases.{name}]" in error.value.text


def test_leases_that_are_no_table_are_refused(load: Load) -> None:
    with pytest.raises(SettingError, match=r"write \[tool.wflo-testkit.leases.NAME\]"):
        load("[tool.wflo-testkit]\nleases = 3\n")
