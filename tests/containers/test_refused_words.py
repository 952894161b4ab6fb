"""A word that is none, or a value that cannot be, is refused by name, with the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.containers.project import described
from wflo_testkit import ready
from wflo_testkit.errors import SettingError
from wflo_testkit.outline import CONTAINER
from wflo_testkit.run import needs
from wflo_testkit.services import row
from wflo_testkit.services.container.words import COMPOSE, WORDS
from wflo_testkit.settings import Settings

IMAGE = {"image": "python:3.13-slim"}
WEB = {**IMAGE, "ports": {"http": 80, "admin": 81}}


def settings(folder: Path, text: str) -> Settings:
    (folder / "pyproject.toml").write_text(text)
    return Settings.load(
        (), {}, rootdir=folder, environ={}, command_line={}, container=row(CONTAINER)
    )


def refusal(folder: Path, **words: Any) -> SettingError:
    with pytest.raises(SettingError) as caught:
        described(folder, **words)
    return caught.value


@pytest.mark.parametrize("word", [word for word in COMPOSE if word != "env"])
def test_a_word_of_compose_is_answered_by_what_stands_for_it(tmp_path: Path, word: str) -> None:
    table = f'[tool.wflo-testkit.servers.app]\nimage = "x"\n{word} = 1\n'
    with pytest.raises(SettingError) as caught:
        settings(tmp_path, table)

    assert caught.value.what == f"unknown setting {word!r}"
    assert caught.value.fix == f"write {COMPOSE[word]}"


def test_what_is_said_to_stand_for_a_word_of_compose_is_a_word() -> None:
    own = [hint for hint in COMPOSE.values() if not hint.startswith(("nothing", "a reference"))]

    for hint in own:
        first = hint.split(",")[0].split(" ")[0]
        assert first in WORDS or hint == "the table's name", hint


def test_a_misspelt_word_is_answered_by_the_nearest(tmp_path: Path) -> None:
    table = '[tool.wflo-testkit.servers.app]\nimage = "x"\nenviroment = {}\n'
    with pytest.raises(SettingError) as caught:
        settings(tmp_path, table)

    assert caught.value.fix == "did you mean 'environment'?"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "it needs one of image, build and object, and has none of them"),
        ({**IMAGE, "build": "."}, "has image and build"),
        ({**IMAGE, "object": "a:b"}, "has image and object"),
        ({"build": "app"}, "app does not exist"),
        ({"build": "."}, "Dockerfile is no file"),
        ({"build": {"context": ".", "tag": "x"}}, "it has no tag"),
        ({"build": 5}, "'int' object is not iterable"),
        ({"object": "module.callable"}, "is no `module:callable`"),
        ({**IMAGE, "fill": "seeds"}, "is no `module:callable`"),
        ({**IMAGE, "ports": {"http": 0}}, "http = 0 is no port inside the container"),
        ({**IMAGE, "ports": {"http": 65536}}, "http = 65536 is no port"),
        ({**IMAGE, "ports": {"http": "80"}}, "http = '80' is no port"),
        ({**IMAGE, "ports": {"http": True}}, "http = True is no port"),
        ({**IMAGE, "environment": {"A": "${NOBODY_HAS_SET_THIS}"}}, "NOBODY_HAS_SET_THIS is not"),
        ({**IMAGE, "environment": {"A": None}}, "A = None is neither a text nor a number"),
        ({**IMAGE, "environment": {"A": ["x"]}}, "A = ['x'] is neither"),
        ({**IMAGE, "env_file": "absent.env"}, "absent.env does not exist"),
        ({**IMAGE, "env_file": "."}, "Is a directory"),
        ({**IMAGE, "files": {"/etc/x": "absent"}}, "absent does not exist"),
        ({**IMAGE, "files": {"etc/x": "."}}, "'etc/x' is no absolute path inside"),
        ({**IMAGE, "volumes": {"./absent": "/data"}}, "absent does not exist"),
        ({**IMAGE, "volumes": {"files": "data"}}, "'data' is no absolute path inside"),
        ({**IMAGE, "command": 3}, "neither a text nor a list of texts"),
        ({**IMAGE, "command": "echo 'open"}, "No closing quotation"),
        ({**IMAGE, "replicas": 0}, "0 is not at least 1"),
        ({**IMAGE, "stop_grace_period": "soon"}, "'soon' is no duration"),
        ({**IMAGE, "healthcheck": {"every": "1s"}}, "healthcheck has no every"),
        ({**IMAGE, "healthcheck": {"interval": "often"}}, "'often' is no duration"),
        ({**IMAGE, "ulimits": {"nofile": {"soft": 1}}}, "'hard' is missing"),
        ({**IMAGE, "docker": {"image": "x"}}, "image is the kit's to say"),
        ({**IMAGE, "docker": {"ports": {}, "name": "x"}}, "name, ports is the kit's to say"),
    ],
)
def test_what_cannot_be_is_refused_with_its_word(
    tmp_path: Path, words: dict[str, Any], said: str
) -> None:
    error = refusal(tmp_path, **words)

    assert said in str(error.cause)
    assert error.what.startswith("the container 'app' cannot be run: ")
    assert "[tool.wflo-testkit.servers.app]" in str(error.looked_at)


@pytest.mark.parametrize(
    ("given", "said", "fix"),
    [
        ({"htpp": "/"}, "is not one of http, tcp, log", "did you mean 'http'?"),
        ("health", "is not one of", "did you mean 'healthy'?"),
        (5, "5 is not one of", "known are "),
        ({"http": "/", "log": "x"}, "http and log are two conditions: give them as a list", ""),
        ({"http": "/", "stats": 200}, "http has no 'stats'", "did you mean 'status'?"),
        ({"log": "x", "port": "http"}, "log has no 'port'", ""),
        ({"http": "/", "port": "admn"}, "no port is called 'admn'", "did you mean 'admin'?"),
        ({"tcp": "amqp"}, "no port is called 'amqp'", "known are admin, http"),
        ({"http": "/", "status": "200"}, "'200' is no status", ""),
        ({"log": True}, "log cannot be True", ""),
        ("log", "log cannot be True", ""),
        ({"log": "("}, "'(' is no regular expression", ""),
        ({"command": []}, "command cannot be []", ""),
        ({"healthy": "yes"}, "healthy cannot be 'yes'", ""),
        ({"http": "/", "timeout": "soon"}, "'soon' is no duration", ""),
        ([{"http": "/"}, "don"], "is not one of", "did you mean 'done'?"),
    ],
)
def test_a_readiness_that_is_none_is_answered_by_the_nearest(
    tmp_path: Path, given: Any, said: str, fix: str
) -> None:
    error = refusal(tmp_path, **WEB, ready=given)

    assert said in str(error.cause)
    assert fix in str(error.fix)


@pytest.mark.parametrize("condition", [ready.http(), ready.tcp(), ready.grpc()])
def test_a_readiness_by_a_port_needs_one(tmp_path: Path, condition: ready.Condition) -> None:
    assert "needs a port, and it has none" in str(refusal(tmp_path, **IMAGE, ready=condition).cause)


def test_privileged_is_a_word_of_docker_alone(tmp_path: Path) -> None:
    made = described(tmp_path, **IMAGE, docker={"privileged": True})

    assert made.docker["privileged"] is True
    assert COMPOSE["privileged"] == "docker = { privileged = true }"
    assert "privileged" not in WORDS


def test_a_reference_to_nobody_is_answered_by_the_nearest(tmp_path: Path) -> None:
    made = described(tmp_path, **IMAGE, environment={"URL": "{postgre.internal_url}"})
    with pytest.raises(SettingError) as caught:
        needs.added(made, ["postgres", "redis"], {}, lambda _name: made)

    assert caught.value.what == "app refers to {postgre.internal_url}, which is nowhere"
    assert caught.value.fix == "did you mean 'postgres'? known are postgres, redis"


def test_a_start_after_nobody_is_answered_by_those_that_are(tmp_path: Path) -> None:
    made = described(tmp_path, **IMAGE, after=["migrat"])
    with pytest.raises(SettingError) as caught:
        needs.added(made, ["migrate", "redis"], {}, lambda _name: made)

    assert "'migrat', which is no server" in caught.value.what
    assert "migrate" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('stop_grace_period = "1m30s"', ""),
        ('replicas = "2"', "a whole number"),
        ('ports = ["80:80"]', "a table"),
        ('per = "test"', "one of run, worker"),
        ('pull_policy = "build"', "one of missing, always, never"),
    ],
)
def test_a_value_of_another_type_is_refused_where_it_stands(
    tmp_path: Path, text: str, problem: str
) -> None:
    table = f'[tool.wflo-testkit.servers.app]\nimage = "x"\n{text}\n'
    if not problem:
        assert settings(tmp_path, table).server("app")["stop_grace_period"] == "1m30s"
        return
    with pytest.raises(SettingError) as caught:
        settings(tmp_path, table)

    assert f"give it {problem}" in str(caught.value.fix)
    assert "[tool.wflo-testkit.servers.app]" in str(caught.value.looked_at)
