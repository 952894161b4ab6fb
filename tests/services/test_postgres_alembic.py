"""Migrations are applied as `alembic upgrade heads` applies them, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.cases import quick
from tests.services.alembic_projects import (
    ASYNC,
    LAYOUTS,
    PLACEHOLDER,
    PLAIN,
    Layout,
    asking,
    config,
    ini,
    scripts,
    write,
)
from tests.services.bystander import at_hand
from tests.services.postgres_server import Asker, asker, server, shared_isolation, tables
from wflo_testkit.errors import SchemaFailed

__all__ = ["asker", "at_hand", "server", "shared_isolation"]


def applied(asker: Asker, root: Path, layout: Layout, **more: Any) -> list[str]:
    with asker.database(schema=layout.schema(root), **more) as handle:
        return tables(handle)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in which pytest runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_the_command_takes_is_taken(asker: Asker, root: Path, layout: Layout) -> None:
    write(root, layout.files)

    assert applied(asker, root, layout) == list(layout.tables)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["schema", "create"])
@pytest.mark.parametrize("env", [asking(""), ASYNC], ids=["sync", "async"])
def test_so_it_is_in_a_schema_of_the_tests_own(
    asker: Asker, root: Path, mode: str, env: str
) -> None:
    write(root, {"alembic.ini": ini(), **scripts(env=env)})
    for _again in range(2):
        assert applied(asker, root, Layout({}), mode=mode) == ["a", "alembic_version"]


@pytest.mark.slow
async def test_it_may_be_asked_for_while_a_loop_runs(asker: Asker, root: Path) -> None:
    loop = asyncio.get_running_loop()
    live = config(attributes={"call": print})
    for schema in (Layout({}), Layout({}, live)):
        write(root, {"alembic.ini": ini(), **scripts(env=ASYNC)})
        assert applied(asker, root, schema) == ["a", "alembic_version"]
    assert asyncio.get_running_loop() is loop
    await asyncio.sleep(0)


LOGGING = """\
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(message)s
"""


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, {"attributes": {"call": print}}], ids=["plain", "live"])
def test_env_py_leaves_the_suites_logging_alone(
    asker: Asker, root: Path, given: dict[str, Any]
) -> None:
    configure = "from logging.config import fileConfig\nfileConfig(config.config_file_name)"
    write(root, {"alembic.ini": ini(more=LOGGING), **scripts(env=asking(configure))})
    top, mine = logging.getLogger(), logging.getLogger("shop")
    before = top.level, list(top.handlers)

    assert applied(asker, root, Layout({}, config(**given))) == ["a", "alembic_version"]
    assert (top.level, list(top.handlers)) == before
    assert not mine.disabled


def test_what_env_py_imports_and_sets_stays_out_of_the_tests(asker: Asker, root: Path) -> None:
    env = asking(
        "import os, sys\nsys.path.insert(0, os.getcwd())\nimport only_here\n"
        "os.environ['ONLY_HERE'] = '1'\nassert 'pytest' not in sys.modules"
    )
    write(root, {"alembic.ini": ini(), "only_here.py": "", **scripts(env=env)})

    assert applied(asker, root, Layout({})) == ["a", "alembic_version"]
    assert "only_here" not in sys.modules
    assert "ONLY_HERE" not in os.environ


@pytest.mark.slow
def test_migrations_that_go_elsewhere_are_noticed(asker: Asker, root: Path) -> None:
    write(root, {"alembic.ini": ini(), **scripts(env="print('nothing is done here')")})
    with pytest.raises(SchemaFailed, match="did not reach the test's database") as caught:
        applied(asker, root, Layout({}))

    assert "sqlalchemy.url" in str(caught.value.fix)


def test_a_failing_migration_is_named_with_its_line(asker: Asker, root: Path) -> None:
    broken = """
    from alembic import op
    revision, down_revision = "0003", "0002"

    def upgrade():
        op.execute("SELECT nonsense")
    """
    write(root, {**PLAIN, "mig/versions/0003.py": broken})
    with pytest.raises(SchemaFailed, match="nonsense") as caught:
        applied(asker, root, Layout({}))

    assert str(root / "alembic.ini") in str(caught.value)
    assert f"{root / 'mig/versions/0003.py'}:6" in str(caught.value.looked_at)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[alembic]\nscript_location = %(here)s/nowhere\n", "nowhere"),
        ("[other]\n", "script_location"),
        ("no ini at all", "alembic.ini"),
    ],
)
def test_an_ini_that_cannot_be_used_is_named(
    asker: Asker, root: Path, text: str, said: str
) -> None:
    write(root, {"alembic.ini": text})
    with pytest.raises(SchemaFailed, match=said) as caught:
        applied(asker, root, Layout({}))

    assert str(root / "alembic.ini") in str(caught.value)


@pytest.mark.slow
def test_an_env_py_that_ends_the_process_is_an_error(asker: Asker, root: Path) -> None:
    ends = asking("import os\nprint('going')\nos._exit(3)")
    write(root, {"alembic.ini": ini(), **scripts(env=ends)})
    with pytest.raises(SchemaFailed, match="ended") as caught:
        applied(asker, root, Layout({}))

    assert "going" in str(caught.value)


# -- Elsewhere

BY_ENGINE = """
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
HEAD = "from alembic import context\nfrom sqlalchemy import create_engine\nimport os\n"
SETTINGS = (
    "import os\nclass Settings:\n    url = os.environ['DATABASE_URL']\nsettings = Settings()\n"
)
DOTENV = """
url = dict(line.split("=", 1) for line in open(".env").read().splitlines())["DATABASE_URL"]
"""
AGAIN = """
import configparser
raw = configparser.RawConfigParser()
raw.read(context.config.config_file_name)
url = raw["alembic"]["sqlalchemy.url"]
"""
IN_A_THREAD = """
import threading
failure = []
def work():
    try:
        create_engine(os.environ["DATABASE_URL"]).connect()
    except Exception as error:
        failure.append(error)
thread = threading.Thread(target=work)
thread.start()
thread.join()
raise failure[0]
"""
SWALLOWED = """
try:
    create_engine(os.environ["DATABASE_URL"]).connect()
except Exception:
    pass
engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
"""
ASYNCPG = """
import asyncio, asyncpg
asyncio.run(asyncpg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")))
"""
MULTIDB = """
from sqlalchemy import engine_from_config
for name in context.config.get_main_option("databases").split(","):
    engine = engine_from_config(context.config.get_section(name), prefix="sqlalchemy.")
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations(engine_name=name)
"""


def elsewhere(env: str, url: str = PLACEHOLDER, more: str = "", **files: str) -> dict[str, str]:
    texts = {name.replace("_py", ".py"): text for name, text in files.items()}
    settings = f"prepend_sys_path = .\npath_separator = os\n{more}"
    return {"alembic.ini": ini(url=url, more=settings), **scripts(env=HEAD + env), **texts}


ELSEWHERE: dict[str, dict[str, str]] = {
    "a variable": elsewhere("engine = create_engine(os.environ['DATABASE_URL'])" + BY_ENGINE),
    "a variable that wins over the ini": elsewhere(
        "url = os.getenv('DATABASE_URL') or context.config.get_main_option('sqlalchemy.url')\n"
        "engine = create_engine(url)" + BY_ENGINE
    ),
    "the application's engine": elsewhere(
        "from app import engine" + BY_ENGINE,
        app_py=HEAD.partition("\n")[2] + "engine = create_engine(os.environ['DATABASE_URL'])\n",
    ),
    "a settings object": elsewhere(
        "from app import settings\nengine = create_engine(settings.url)" + BY_ENGINE,
        app_py=SETTINGS,
    ),
    "a .env file": {
        **elsewhere(DOTENV + "engine = create_engine(url)" + BY_ENGINE),
        ".env": "DATABASE_URL={url}",
    },
    "the ini read again": elsewhere(AGAIN + "engine = create_engine(url)" + BY_ENGINE, "{url}"),
    "an address in env.py": elsewhere("engine = create_engine('{url}')" + BY_ENGINE),
    "libpq's variables": elsewhere("engine = create_engine('postgresql+psycopg://')" + BY_ENGINE),
    "a thread": elsewhere(IN_A_THREAD),
    "an error that is swallowed": elsewhere(SWALLOWED + BY_ENGINE),
    "asyncpg": elsewhere(ASYNCPG),
    "another database of the same server": elsewhere(
        "from sqlalchemy import make_url\n"
        "url = make_url(context.config.get_main_option('sqlalchemy.url'))\n"
        "engine = create_engine(url.set(database='postgres'))" + BY_ENGINE
    ),
    "an sqlite file": elsewhere("engine = create_engine('sqlite:///dev.db')" + BY_ENGINE),
    "a section of several": elsewhere(
        MULTIDB, more="databases = one\n[one]\nsqlalchemy.url = {url}\n"
    ),
    "a migration": {
        **elsewhere(
            "engine = create_engine(context.config.get_main_option('sqlalchemy.url'))" + BY_ENGINE
        ),
        "mig/versions/0001.py": HEAD + "revision, down_revision = '0001', None\ndef upgrade():\n"
        "    create_engine(os.environ['DATABASE_URL']).connect()\n",
    },
}
"""Ways to reach another database -> a project that takes it; {url} is that database's."""


@pytest.mark.slow
@pytest.mark.parametrize("files", ELSEWHERE.values(), ids=ELSEWHERE)
def test_another_database_is_never_touched(
    asker: Asker, root: Path, at_hand: str, files: dict[str, str]
) -> None:
    write(root, {name: text.replace("{url}", at_hand) for name, text in files.items()})
    with pytest.raises(SchemaFailed, match="was refused a connection to") as caught:
        applied(asker, root, Layout({}))

    assert not (root / "dev.db").exists()
    assert "[tool.wflo-testkit]" in str(caught.value.fix)
    assert make_url(at_hand).password not in str(caught.value)


@pytest.mark.parametrize("live", [False, True], ids=["its own process", "the tests' process"])
def test_the_error_says_where_the_address_came_from(
    asker: Asker, root: Path, at_hand: str, live: bool
) -> None:
    write(root, ELSEWHERE["a variable"])
    schema = config(attributes={"call": print} if live else {})
    with pytest.raises(SchemaFailed, match="was refused") as caught:
        applied(asker, root, Layout({}, schema))

    url = make_url(at_hand)
    assert f":{url.port}/{url.database}" in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)


@pytest.mark.parametrize(
    "shape",
    quick(["a variable", "the application's engine", "a settings object"], ("a variable",)),
)
def test_a_variable_of_the_setting_env_leads_to_the_tests_database(
    asker: Asker, root: Path, at_hand: str, shape: str
) -> None:
    address = "postgresql+psycopg://{0.user}:{0.password}@{0.host}:{0.port}/{0.name}"
    asker.env = {"DATABASE_URL": address.replace("0", "postgres")}
    write(root, {**ELSEWHERE[shape], **scripts(env=ELSEWHERE[shape]["mig/env.py"])})

    assert applied(asker, root, Layout({})) == ["a", "alembic_version"]
    assert os.environ["DATABASE_URL"] == at_hand


def test_what_a_setting_names_may_be_connected_to(asker: Asker, root: Path, at_hand: str) -> None:
    url = make_url(at_hand)
    asker.settings = {"schema_connects_to": [f"localhost:{url.port}/{url.database}"]}
    looks = asking(
        "from sqlalchemy import create_engine\nimport os\n"
        "create_engine(os.environ['DATABASE_URL']).connect().close()"
    )
    write(root, {"alembic.ini": ini(), **scripts(env=looks)})

    assert applied(asker, root, Layout({})) == ["a", "alembic_version"]
