"""The daemon's address is found without Docker's library, and it is the one the library finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.contexts import make_context
from wflo_testkit.errors import SettingError
from wflo_testkit.runtime.address import (
    DEFAULT,
    once,
    resolve,
    ryuk_is_disabled,
    socket_path,
)

OTHER = "unix:///run/other/docker.sock"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder without any settings of Docker."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HOST", "CONTEXT", "CONFIG", "TLS_VERIFY", "CERT_PATH"):
        monkeypatch.delenv(f"DOCKER_{name}", raising=False)


def by_variable(_home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("DOCKER_HOST", OTHER)


def by_property(home: Path, _patch: pytest.MonkeyPatch) -> None:
    (home / ".testcontainers.properties").write_text(f"x=y\ntc.host = {OTHER}\n")


def by_context(home: Path, _patch: pytest.MonkeyPatch, *, current: str = "desk") -> None:
    make_context(home / ".docker", "desk", OTHER)
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": current}))


def nowhere(_home: Path, _patch: pytest.MonkeyPatch) -> None:
    """Nothing is set."""


def by_default_context(home: Path, patch: pytest.MonkeyPatch) -> None:
    by_context(home, patch, current="default")


@pytest.mark.parametrize(
    ("how", "address"),
    [
        (by_variable, OTHER),
        (by_property, OTHER),
        (by_context, OTHER),
        (nowhere, DEFAULT),
        (by_default_context, DEFAULT),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_it_is_found_where_testcontainers_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: object, address: str
) -> None:
    how(tmp_path, monkeypatch)  # type: ignore[operator]
    code = (
        "from testcontainers.core.docker_client import get_docker_host as found; "
        f"print(found() or {DEFAULT!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )

    assert resolve().url == address
    assert done.stdout.strip() == address


def test_a_context_named_by_the_variable_goes_before_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_context(tmp_path, monkeypatch, current="desk")
    make_context(tmp_path / ".docker", "other", "tcp://192.0.2.1:2375")
    monkeypatch.setenv("DOCKER_CONTEXT", "other")

    assert resolve().url == "tcp://192.0.2.1:2375"
    assert resolve().origin == "Docker context other, of environment: DOCKER_CONTEXT"

    monkeypatch.setenv("DOCKER_HOST", OTHER)

    assert resolve().url == OTHER, "as for Docker's command line"


def test_the_variable_can_ask_for_the_default_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_context(tmp_path, monkeypatch)
    monkeypatch.setenv("DOCKER_CONTEXT", "default")

    assert resolve().url == DEFAULT


def test_contexts_are_looked_for_where_docker_config_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_context(tmp_path / "elsewhere", "desk", OTHER)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DOCKER_CONTEXT", "desk")

    assert resolve().url == OTHER


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": null}'])
def test_a_broken_configuration_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(text)

    assert resolve().url == DEFAULT


@pytest.mark.parametrize("where", ["DOCKER_CONTEXT", "config.json"])
def test_a_context_that_is_not_there_is_an_error_that_names_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    by_context(tmp_path, monkeypatch, current="gone" if where == "config.json" else "desk")
    if where == "DOCKER_CONTEXT":
        monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(SettingError, match="no Docker context 'gone'") as caught:
        resolve()

    assert where in str(caught.value.cause)
    assert "there are: default, desk" in str(caught.value.cause)
    assert caught.value.looked_at == str(tmp_path / ".docker/contexts")
    assert "DOCKER_CONTEXT" in str(caught.value.fix)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"Endpoints": {"docker": "tcp"}}', "\udcff"])
def test_a_context_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    meta = make_context(tmp_path / ".docker", "desk", OTHER)
    meta.write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / ".docker/config.json").write_text('{"currentContext": "desk"}')
    with pytest.raises(SettingError, match="context 'desk' cannot be read") as caught:
        resolve()

    assert str(meta) in str(caught.value.looked_at)
    assert "config.json" in str(caught.value.looked_at)


def test_a_context_brings_its_certificates_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = make_context(tmp_path / ".docker", "desk", "tcp://192.0.2.1:2376")
    folder = tmp_path / ".docker/contexts/tls" / meta.parent.name / "docker"
    folder.mkdir(parents=True)
    monkeypatch.setenv("DOCKER_CONTEXT", "desk")

    found = resolve()
    assert (found.certificates, found.verify) == (str(folder), True)

    make_context(tmp_path / ".docker", "desk", "tcp://192.0.2.1:2376", SkipTLSVerify=True)
    assert not resolve().verify


@pytest.mark.parametrize(
    ("host", "folder"), [("tcp://192.0.2.1:2376", "/certs"), ("unix:///run/docker.sock", "")]
)
def test_the_variables_of_tls_are_for_daemons_on_tcp(
    monkeypatch: pytest.MonkeyPatch, host: str, folder: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certs")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")

    assert (resolve().certificates, resolve().verify) == (folder, bool(folder))


def test_what_was_found_once_stays_whatever_becomes_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", OTHER)
    found = once()
    monkeypatch.setenv("DOCKER_HOST", "unix:///changed.sock")
    assert found().url == OTHER

    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    failed = once()
    monkeypatch.delenv("DOCKER_CONTEXT")
    for _ in range(2):
        with pytest.raises(SettingError, match="gone"):
            failed()


@pytest.mark.slow
@pytest.mark.parametrize("given", ["", "true", "T", "1", "yes", "on", "false", "0"])
@pytest.mark.parametrize("where", ["variable", "property"])
def test_ryuk_is_switched_off_where_testcontainers_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, where: str
) -> None:
    monkeypatch.delenv("TESTCONTAINERS_RYUK_DISABLED", raising=False)
    if where == "variable":
        monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", given)
    else:
        (tmp_path / ".testcontainers.properties").write_text(f"ryuk.disabled={given}\n")
    monkeypatch.delitem(sys.modules, "testcontainers.core.config", raising=False)
    own = ryuk_is_disabled()
    code = (
        "from testcontainers.core.config import testcontainers_config as c; print(c.ryuk_disabled)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert str(own) == done.stdout.strip()


def test_ryuk_is_switched_off_by_code_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from testcontainers.core.config import testcontainers_config

    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)

    assert ryuk_is_disabled()


def test_the_daemons_own_socket_is_the_one_it_is_reached_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", raising=False)

    assert socket_path("unix:///run/other.sock") == "/run/other.sock"
    assert socket_path("tcp://192.0.2.1:2375") == DEFAULT.removeprefix("unix://")

    monkeypatch.setenv("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", "/run/third.sock")

    assert socket_path("unix:///run/other.sock") == "/run/third.sock"
