"""Spec and Server: plain data that survives JSON; a fingerprint that is the same everywhere."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Server, Spec
from wflo_testkit.plain_data import read
from wflo_testkit.runtime.placeholders import with_address, with_password

TEXT = st.text(max_size=12)
TEXTS = st.dictionaries(TEXT, TEXT, max_size=3)
PORTS = st.dictionaries(TEXT, st.integers(1, 65535), max_size=3)
SECONDS = st.floats(0, 1e6, allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OPTIONS = st.dictionaries(TEXT, JSON, max_size=3)

SPECS = st.builds(
    Spec,
    service=TEXT,
    name=TEXT,
    image=TEXT,
    command=st.lists(TEXT, max_size=3).map(tuple),
    environment=TEXTS,
    ports=PORTS,
    tmpfs=TEXTS,
    files=TEXTS,
    username=TEXT,
    options=OPTIONS,
    external=TEXT,
    unique=TEXT,
    networked=st.booleans(),
    startup_timeout=SECONDS,
)
SERVERS = st.builds(
    Server,
    service=TEXT,
    name=TEXT,
    host=TEXT,
    ports=PORTS,
    internal_host=TEXT,
    internal_ports=PORTS,
    username=TEXT,
    password=TEXT,
    options=OPTIONS,
    container_id=TEXT,
    on_network=TEXT,
    image=TEXT,
    origin=TEXT,
    seconds=SECONDS,
    is_external=st.booleans(),
    key=TEXT,
)


def over_the_wire(data: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(data))


@given(SPECS)
def test_a_spec_survives_json_with_its_fingerprint(spec: Spec) -> None:
    back = Spec.from_json(over_the_wire(spec.to_json()))

    assert back == spec
    assert back.fingerprint == spec.fingerprint


@given(SERVERS)
def test_a_server_survives_json_but_for_the_way_to_its_logs(server: Server) -> None:
    server = dataclasses.replace(server, read_logs=lambda _since: "a line")

    back = Server.from_json(over_the_wire(server.to_json()))

    assert back == server
    assert back.read_logs is None


@given(SPECS)
def test_the_order_in_which_mappings_were_filled_does_not_change_the_fingerprint(
    spec: Spec,
) -> None:
    turned = dataclasses.replace(
        spec,
        environment=dict(reversed(spec.environment.items())),
        options=dict(reversed(spec.options.items())),
    )

    assert turned.fingerprint == spec.fingerprint


def test_every_field_of_a_spec_is_part_of_the_fingerprint() -> None:
    spec = Spec(service="store", name="store")
    changed: dict[str, Any] = {
        "service": "x",
        "name": "x",
        "image": "x",
        "command": ("x",),
        "environment": {"x": "y"},
        "ports": {"main": 1},
        "tmpfs": {"/x": ""},
        "sockets": "/x",
        "files": {"/x": ""},
        "secrets": {"/x": ""},
        "build": {"context": "/x"},
        "entrypoint": ("x",),
        "ready": ({"tcp": ""},),
        "needs": {"x": {}},
        "asked": ("fill",),
        "volumes": {"x": "/x"},
        "docker": {"init": True},
        "replicas": 2,
        "keeps_ports": True,
        "username": "x",
        "options": {"x": 1},
        "external": "x",
        "unique": "x",
        "per_process": True,
        "networked": False,
        "startup_timeout": 1.0,
    }

    prints = {dataclasses.replace(spec, **{f: v}).fingerprint for f, v in changed.items()}

    assert set(changed) == {field.name for field in dataclasses.fields(Spec)}
    assert len(prints - {spec.fingerprint}) == len(changed)


CODE = """
from wflo_testkit.model import Spec
names = sorted({"alpha", "beta", "gamma"}, key=hash)
print(Spec(service="store", name="store", environment={n: "1" for n in names}).fingerprint)
"""


def test_the_fingerprint_is_the_same_in_processes_that_hash_differently() -> None:
    def in_process(seed: str) -> str:
        environ = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    prints = {in_process(seed) for seed in ("0", "1", "42")}

    spec = Spec(
        service="store", name="store", environment=dict.fromkeys(("alpha", "beta", "gamma"), "1")
    )
    assert prints == {spec.fingerprint}


def test_a_command_given_as_a_list_becomes_a_tuple() -> None:
    assert Spec(service="s", name="s", command=["a", "b"]).command == ("a", "b")  # type: ignore[arg-type]


def test_the_password_is_not_in_the_repr_of_a_server() -> None:
    assert "secret" not in repr(
        Server(service="s", name="s", host="h", ports={}, password="secret")
    )


def test_the_main_ports_are_the_ones_that_clients_use() -> None:
    server = Server(
        service="s",
        name="s",
        host="h",
        ports={"main": 49153, "ui": 49154},
        internal_ports={"main": 80, "ui": 81},
    )

    assert (server.port, server.internal_port) == (49153, 80)


def test_a_servers_logs_are_read_since_the_moment_asked_for() -> None:
    server = Server(service="s", name="s", host="h", ports={}, read_logs=lambda since: f"{since}")

    assert server.logs(12.5) == "12.5"
    assert server.logs() == "None"


def test_a_server_whose_logs_cannot_be_read_has_empty_ones() -> None:
    assert Server(service="s", name="s", host="h", ports={}).logs() == ""


@pytest.mark.parametrize(
    ("is_external", "said"), [(True, "it is external"), (False, "made of plain data")]
)
def test_a_server_that_knows_no_broker_says_why_it_can_do_nothing(
    is_external: bool, said: str
) -> None:
    server = Server(service="app", name="app", host="h", ports={}, is_external=is_external)
    with pytest.raises(TestkitError, match=said):
        server.do("stop")


def test_password_and_name_are_filled_in_wherever_they_stand_and_other_braces_stay() -> None:
    spec = Spec(
        service="store",
        name="orders",
        command=("serve", "--password={password}", "${HOME}"),
        environment={"PASSWORD": "{password}", "JSON": '{"a": 1}'},
        files={"/run.sh": "serve {name} {port:main} {password}"},
    )

    filled = with_password(spec, "s3cret")

    assert filled.command == ("serve", "--password=s3cret", "${HOME}")
    assert filled.environment == {"PASSWORD": "s3cret", "JSON": '{"a": 1}'}
    assert filled.files == {"/run.sh": "serve orders {port:main} s3cret"}


def test_host_and_each_named_port_are_filled_in_once_they_are_known() -> None:
    files = {"/run.sh": "{host}:{port:main} {host}:{port:ui} {port:other}"}

    filled = with_address(files, "127.0.0.1", {"main": 49153, "ui": 49154})

    assert filled == {"/run.sh": "127.0.0.1:49153 127.0.0.1:49154 {port:other}"}


@pytest.mark.parametrize("cls", [Spec, Server])
def test_fields_cannot_be_changed(cls: type) -> None:
    thing = (
        Spec(service="s", name="s")
        if cls is Spec
        else Server(service="s", name="s", host="", ports={})
    )

    with pytest.raises(dataclasses.FrozenInstanceError):
        thing.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"invented_later": 1}, "Server: unknown field 'invented_later'"),
        ({"ports": [5432]}, "Server: the field 'ports' is not collections.abc.Mapping[str, int]"),
        (
            {"ports": {"main": "5432"}},
            "Server: the field 'ports' is not collections.abc.Mapping[str, int]",
        ),
        ({"host": None}, "Server: the field 'host' is not str"),
        ({"seconds": True}, "Server: the field 'seconds' is not float"),
        ({"is_shared": 1}, "Server: the field 'is_shared' is not bool"),
    ],
)
def test_plain_data_of_another_version_names_the_field_that_is_wrong(
    changed: dict[str, object], said: str
) -> None:
    data = Server(service="s", name="s", host="h", ports={"main": 1}).to_json()

    with pytest.raises(ValueError, match=re.escape(said)):
        Server.from_json(data | changed)


def test_plain_data_without_a_field_or_without_any_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'name'"):
        Spec.from_json({"service": "s"})
    with pytest.raises(ValueError, match="list instead of named fields"):
        Spec.from_json([])  # type: ignore[arg-type]


def test_fields_whose_types_cannot_be_told_are_taken_as_they_are() -> None:
    @dataclasses.dataclass
    class Loose:
        value: Unimported  # type: ignore[name-defined]  # noqa: F821 - as for a type checker alone

    assert read(Loose, {"value": 1}).value == 1
