"""Passwords are left out of reprs, of errors, and of what pytest reports of a test."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflo_testkit import errors
from wflo_testkit.errors import TestkitError, without_passwords
from wflo_testkit.model import Build, Grant, Server, Spec
from wflo_testkit.plugin.passwords import LONG, MASK, RECENT, Passwords
from wflo_testkit.service import Lease
from wflo_testkit.services import postgres, redis
from wflo_testkit.settings.load import Setting
from wflo_testkit.settings.project import Project

SECRET = "sentinel-4711"
URL = f"postgresql://owner:{SECRET}@db.example.org:5432/shop"
SPEC = Spec(
    service="postgres",
    name="postgres",
    command=("serve", SECRET),
    environment={"PASSWORD": SECRET},
    files={"/password": SECRET},
    options={"password": SECRET},
    external=URL,
)
SERVER = Server(service="s", name="s", host="h", ports={}, password=SECRET, options={"url": URL})


@pytest.mark.parametrize(
    "value",
    [
        SPEC,
        SERVER,
        Grant(id="1", data={"password": SECRET}),
        Build(token="1", data={"url": URL}),
        Lease(id="1", server=SERVER, data={"password": SECRET}, call=print),
        Setting(URL, "environment"),
        redis.SERVICE.external(redis.SERVICE.spec("redis", {"url": f"redis://u:{SECRET}@h"})),
        postgres.SERVICE.external(postgres.SERVICE.spec("postgres", {"url": URL})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_repr_holds_a_password(value: object) -> None:
    assert SECRET not in repr(value)


def test_nor_does_that_of_the_project_file(tmp_path: object) -> None:
    project = Project(tmp_path, {"postgres_url": URL}, {"orders": {"url": URL}})  # type: ignore[arg-type]

    assert SECRET not in repr(project)


def test_an_error_leaves_out_the_passwords_of_urls_in_every_part() -> None:
    error = TestkitError(
        f"{URL} failed", cause=ValueError(URL), looked_at=f"setting {URL!r}", fix=f"unset {URL}"
    )

    for each in (error, errors.from_json(errors.to_json(ValueError(URL)))):
        assert SECRET not in f"{each} {each.args} {errors.to_json(each)}"
        assert "postgresql://owner:***@db.example.org:5432/shop" in str(each)


@given(
    user=st.text("abcXYZ09-_%", max_size=8),
    password=st.text("abcXYZ09-_%!:@", min_size=1).map(lambda text: text + "§"),
)
def test_whatever_stands_there_as_a_password_goes(user: str, password: str) -> None:
    masked = without_passwords(f"see redis://{user}:{password}@host:6379/0, or ask")

    assert masked == f"see redis://{user}:***@host:6379/0, or ask"


@pytest.mark.parametrize(
    "text", ["http://h:80/a@b", "a@b", "mail me@host: now", "redis://user@h", "https://h/x:y@z"]
)
def test_what_is_no_password_stays(text: str) -> None:
    assert without_passwords(text) == text


def learnt(*passwords: str) -> Passwords:
    found = Passwords()
    for each in passwords:
        found.learn_of_lease({"password": each, "host": "127.0.0.1"})
    return found


@given(st.text(min_size=LONG))
def test_a_long_password_is_masked_wherever_it_stands(password: str) -> None:
    text = f"<{password}> and {quote(password, safe='')}, {password}{password}"

    masked = learnt(password).mask(text)

    assert password not in masked
    assert MASK in masked


def test_one_that_begins_another_leaves_no_rest_of_it() -> None:
    short, long = "a" * LONG, "a" * LONG + "-and-more"

    assert learnt(short, long).mask(f"{long} {short}") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://postgres:postgres@h/postgres", "postgresql://postgres:***@h/postgres"),
        ("{'user': 'postgres', 'password': 'postgres'}", "{'user': 'postgres', 'password': '***'}"),
        ("host=postgres password=postgres", "host=postgres password=***"),
        (
            "connect(user='postgres', password='postgres')",
            "connect(user='postgres', password='***')",
        ),
        ("test_postgres failed", "test_postgres failed"),
    ],
)
def test_a_short_password_is_masked_only_where_it_is_one(text: str, shown: str) -> None:
    assert learnt("postgres").mask(text) == shown


def test_a_password_is_learnt_from_a_url_and_an_empty_one_is_none() -> None:
    found = learnt("")
    found.learn_of_server({"url": URL.replace("-", "%2D"), "port": 5432, "text": "no://[url"})

    assert found.mask(f"{SECRET} a  b") == f"{MASK} a  b"


def test_servers_are_remembered_longer_than_leases() -> None:
    found = learnt("of an early lease")
    found.learn_of_server({"password": "of the server"})
    for number in range(RECENT):
        found.learn_of_lease({"password": f"of a lease {number:03}"})

    text = "of an early lease, of the server, of a lease 000, of a lease 099"
    assert found.mask(text) == "of an early lease, ***, ***, ***"


def test_nothing_known_changes_nothing() -> None:
    assert learnt().mask(URL) == URL
