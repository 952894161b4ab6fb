"""A refusal says where the address probably comes from, and shows no password."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wflo_testkit.services.postgres.schema.guard import Elsewhere, Guard, project_code

OWN = "postgresql://u:secret@127.0.0.1:1/own"
DEV = "postgresql://dev:secret@db.example.com:5432/app"
SQLALCHEMY = DEV.replace(":", "+psycopg:", 1)

Refusal = Callable[..., Elsewhere]


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusal]:
    """Write a project, import its module `env` under a guard, and return what that is told."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)

    def run(before: str = "", **files: str) -> Elsewhere:
        for name, text in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        if before:
            importlib.import_module(before)
        with Guard(OWN, root=tmp_path) as guard, pytest.raises(Elsewhere) as caught:
            importlib.import_module("env")
        assert "secret" not in str(caught.value)
        assert caught.value is guard.refused[0]
        assert caught.value.address == "db.example.com:5432/app"
        return caught.value

    yield run
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def connecting(expression: str, more: str = "") -> str:
    """Return a module that connects to what `expression` says."""
    return f"import os\nimport psycopg\n{more}\npsycopg.connect({expression})\n"


def engine(expression: str) -> str:
    return (
        f"import os\nfrom sqlalchemy import create_engine\nengine = create_engine({expression})\n"
    )


@pytest.mark.parametrize(
    "expression",
    [
        "os.environ['SHOP_URL']",
        "os.getenv('SHOP_URL') or 'postgresql://localhost/ini'",
        "os.environ.get('SHOP_URL', '').replace('+psycopg', '')",
    ],
)
def test_an_environment_variable_and_where_it_is_read(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    monkeypatch.setenv("SHOP_URL", SQLALCHEMY if "replace" in expression else DEV)
    error = refusal(env__py=connecting(expression))

    assert "the environment variable SHOP_URL, read at env.py:4" in error.origin
    assert "asked for at env.py:4" in error.origin
    written = "sqlalchemy_url:psycopg" if "replace" in expression else "url"
    assert f'env = {{ SHOP_URL = "{{postgres.{written}}}" }}' in error.fix


def test_several_variables_that_make_an_address(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB_HOST", "db.example.com")
    monkeypatch.setenv("SHOP_DB_NAME", "app")
    host, name = "os.environ['SHOP_DB_HOST']", "os.environ['SHOP_DB_NAME']"
    error = refusal(env__py=connecting(f"host={host}, dbname={name}"))

    assert "the environment variable SHOP_DB_NAME, read at env.py:4" in error.origin


def test_libpq_s_variables(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.com")
    monkeypatch.setenv("PGDATABASE", "app")
    monkeypatch.setenv("PGPORT", "5432")

    assert "the environment variable PGDATABASE" in refusal(env__py=connecting("")).origin


@pytest.mark.parametrize("name", ["app_engine", "models"])
def test_the_application_s_engine(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", SQLALCHEMY)
    env = f"from {name} import engine\nengine.connect()\n"
    error = refusal(name, env__py=env, **{f"{name}__py": engine("os.environ['DATABASE_URL']")})

    assert f"the application's engine {name}.engine" in error.origin
    assert f"DATABASE_URL, read at {name}.py:3" in error.origin
    assert "asked for at env.py:2" in error.origin


def test_the_application_s_async_engine(refusal: Refusal) -> None:
    made = f"""
        from sqlalchemy.ext.asyncio import create_async_engine
        engine = create_async_engine({DEV.replace(":", "+asyncpg:", 1)!r})
    """
    env = """
        import asyncio
        import app_engine

        async def main():
            async with app_engine.engine.connect():
                pass

        asyncio.run(main())
    """
    error = refusal("app_engine", env__py=env, app_engine__py=made)

    assert "the application's engine app_engine.engine" in error.origin
    assert "the code at app_engine.py:3" in error.origin
    assert "asked for at env.py:6" in error.origin


SETTINGS = {
    "a text": f"URL = {DEV!r}",
    "an attribute": f"class Settings:\n    pass\nsettings = Settings()\nsettings.url = {DEV!r}",
    "a class": f"class Config:\n    URL = {DEV!r}",
    "a dict": f"settings = {{'url': {DEV!r}}}",
    "an SQLAlchemy URL": f"from sqlalchemy import make_url\nURL = make_url({SQLALCHEMY!r})",
}
HELD = {
    "a text": ("config.URL", "config.URL"),
    "an attribute": ("config.settings.url", "config.settings.url"),
    "a class": ("config.Config.URL", "config.Config.URL"),
    "a dict": ("config.settings['url']", "config.settings.url"),
    "an SQLAlchemy URL": (
        "config.URL.set(drivername='postgresql').render_as_string(False)",
        "config.URL",
    ),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_settings_object_imported_before(refusal: Refusal, kind: str) -> None:
    expression, told = HELD[kind]
    env = connecting(expression, "import config")
    error = refusal("config", env__py=env, config__py=SETTINGS[kind])

    assert f"the settings object {told}" in error.origin
    assert error.origin.count("the settings object") == 1


def test_a_dotenv_file(refusal: Refusal) -> None:
    read = "Path('.env').read_text().partition('=')[2].strip().strip('\"')"
    env = connecting(read, "from pathlib import Path")
    error = refusal(env__py=env, __env=f'export SHOP_URL="{DEV}"\n')

    assert "the file .env:1 (SHOP_URL)" in error.origin
    assert 'env = { SHOP_URL = "{postgres.url}" }' in error.fix


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("alembic__ini", f"sqlalchemy.url = {SQLALCHEMY}"),
        ("setup__cfg", f"url = {DEV}"),
        ("config__yaml", f"  url: '{DEV}'"),
        ("config__toml", f'url = "{DEV}"'),
    ],
)
def test_an_ini_read_again(refusal: Refusal, file: str, line: str) -> None:
    name = file.replace("__", ".")
    read = f"Path({name!r}).read_text().split()[-1].strip('\\'\"').replace('+psycopg', '')"
    env = connecting(read, "from pathlib import Path")
    error = refusal(env__py=env, **{file: f"[alembic]\n{line}\n"})

    key = line.split()[0].strip(":")
    assert f"the file {name}:2 ({key}), read by the project's own code" in error.origin


@pytest.mark.parametrize(
    "expression",
    [
        repr(DEV),
        "host='db.example.com', dbname='app'",
        "'host=db.example.com dbname=app password=secret'",
    ],
)
def test_an_address_that_is_hard_coded(refusal: Refusal, expression: str) -> None:
    assert "the code at env.py:4" in refusal(env__py=connecting(expression)).origin


def test_an_address_of_unknown_origin(refusal: Refusal) -> None:
    made = "host='db.' + 'example.com', dbname='a' + 'pp'"
    error = refusal(env__py=connecting(made))

    assert "its origin is unknown; asked for at env.py:4" in error.origin


def test_what_to_write_is_said(refusal: Refusal) -> None:
    fix = refusal(env__py=connecting(repr(DEV))).fix

    assert 'config.get_main_option("sqlalchemy.url")' in fix
    assert 'config.attributes["connection"]' in fix
    assert 'postgres_schema_connects_to = ["db.example.com:5432/app"]' in fix


def test_an_sqlite_file_of_the_project_is_named_as_the_setting_wants_it(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "data").mkdir()
    with Guard(OWN, root=tmp_path), pytest.raises(Elsewhere) as caught:
        sqlite3.connect(tmp_path / "data" / "dev.sqlite")

    assert 'postgres_schema_connects_to = ["data/dev.sqlite"]' in caught.value.fix


def test_objects_that_resist_being_looked_at_do_no_harm(refusal: Refusal) -> None:
    proxy = """
        class Proxy:
            def __getattribute__(self, name):
                raise RuntimeError(name)

        proxy = Proxy()
        number = 7
    """
    error = refusal("config", env__py=connecting(repr(DEV)), config__py=proxy)

    assert "the code at env.py:4" in error.origin


def test_code_that_tries_again_and_again_is_told_the_same(tmp_path: Path) -> None:
    import psycopg

    with Guard(OWN, root=tmp_path) as guard:
        for _ in range(50):
            with pytest.raises(Elsewhere):
                psycopg.connect(DEV)

    assert len({str(each) for each in guard.refused}) == 1
    assert len(guard.refused) == 50


def test_a_look_that_fails_leaves_the_refusal_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setattr(project_code, "_frames", lambda: 1 / 0)
    with Guard(OWN, root=tmp_path) as guard, pytest.raises(Elsewhere, match="origin is unknown"):
        psycopg.connect(DEV)

    assert len(guard.refused) == 1


def test_a_module_that_is_loaded_when_it_is_asked_is_left_asleep(
    refusal: Refusal, tmp_path: Path
) -> None:
    (tmp_path / "sleeping.py").write_text("raise SystemExit('woken')")
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("sleeping")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sleeping"] = module
    spec.loader.exec_module(module)
    error = refusal(env__py=connecting(repr(DEV)))
    del sys.modules["sleeping"]

    assert "the code at env.py:4" in error.origin
