"""The daemon's address is found without Docker's library, and it is the one the library finds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wflo_testkit.runtime.address import (
    DEFAULT,
    daemon_address,
    published_host,
    ryuk_is_disabled,
    socket_path,
)

OTHER = "unix:///run/other/docker.sock"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder without any settings of Docker."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "TC_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TESTCONTAINERS_HOST_OVERRIDE", raising=False)


def by_variable(_home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("DOCKER_HOST", OTHER)


def by_property(home: Path, _patch: pytest.MonkeyPatch) -> None:
    (home / ".testcontainers.properties").write_text(f"x=y\ntc.host = {OTHER}\n")


def by_context(home: Path, _patch: pytest.MonkeyPatch, *, current: str = "desk") -> None:
    place = home / ".docker/contexts/meta" / hashlib.sha256(b"desk").hexdigest()
    place.mkdir(parents=True)
    meta = {"Name": "desk", "Metadata": {}, "Endpoints": {"docker": {"Host": OTHER}}}
    (place / "meta.json").write_text(json.dumps(meta))
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

    assert daemon_address() == address
    assert done.stdout.strip() == address


def test_a_context_can_be_named_by_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_context(tmp_path, monkeypatch, current="default")
    monkeypatch.setenv("DOCKER_CONTEXT", "desk")

    assert daemon_address() == OTHER


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": "gone"}'])
def test_a_broken_configuration_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(text)

    assert daemon_address() == DEFAULT


def test_ports_of_a_local_daemon_are_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    assert published_host(DEFAULT) == "127.0.0.1"
    assert published_host("tcp://192.0.2.1:2375") == ""

    monkeypatch.setenv("TESTCONTAINERS_HOST_OVERRIDE", "docker.internal")

    assert published_host(DEFAULT) == "docker.internal"


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
