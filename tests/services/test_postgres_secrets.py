"""No report, repr or error of the Postgres service shows a password."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import docker
import pytest

from tests.conftest import Run
from tests.services.asker import asker as started_by
from tests.services.postgres_server import Asker, PostgresServer, query, server
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Build, Grant
from wflo_testkit.service import Lease
from wflo_testkit.services.postgres import SERVICE
from wflo_testkit.services.postgres.accounts import Account
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.handle import handle_of
from wflo_testkit.services.postgres.isolation import PostgresIsolation

__all__ = ["server"]

SECRET = "sentinel/of-#ours"
QUOTED = "sentinel%2Fof-%23ours"
FAILING = """
    import pytest

    @pytest.mark.parametrize("mode", [
        pytest.param(mode, marks=pytest.mark.wflo(postgres=mode))
        for mode in ("database", "schema", "create", "rollback")
    ])
    def test_fails(postgres_database, postgres_server, postgres_session, mode):
        from pathlib import Path

        Path(mode).write_text(postgres_database.password)
        print(postgres_database, postgres_server, postgres_session.get_bind())
        raise ZeroDivisionError
"""


@pytest.fixture(scope="module")
def account(server: PostgresServer) -> str:
    query(server, f"CREATE ROLE maker LOGIN CREATEDB PASSWORD '{SECRET}'")
    query(server, "CREATE DATABASE shop OWNER maker")
    return f"maker:{QUOTED}@{server.host}:{server.port}/shop"


@pytest.mark.slow
def test_a_failing_test_on_an_external_server_shows_no_password(
    account: str, run_suite: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFLO_TESTKIT_POSTGRES_URL", f"postgresql://{account}")
    result = run_suite(FAILING)

    result.assert_outcomes(failed=4)
    assert "sentinel" not in str(result.stdout) + str(result.stderr)
    result.stdout.fnmatch_lines(["*PostgresDatabase(name='wflo_*user='maker'*"] * 2)
    result.stdout.fnmatch_lines(["postgres  external at *, 4 leases*"])


@pytest.mark.usefixtures("kept_servers")
def test_a_failing_test_on_the_kits_server_shows_no_password(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    result = run_suite(FAILING)

    result.assert_outcomes(failed=4)
    told = {(pytester.path / mode).read_text() for mode in ("database", "schema", "create")}
    assert len(told) == 3
    assert not [each for each in told if each in str(result.stdout) + str(result.stderr)]
    result.stdout.fnmatch_lines(["*: docker exec -it * psql 'postgresql://postgres@:5432/wflo_*'"])


@pytest.fixture(scope="module")
def own(service_core: Broker) -> Iterator[Asker]:
    """Somebody who asks for databases of a server that a broker has started."""
    running = started_by(service_core, "postgres").server
    isolation = PostgresIsolation(running, "0wn")
    assert isinstance(running, PostgresServer)
    yield Asker(isolation, running)
    isolation.close()


@pytest.mark.parametrize("mode", ["database", "schema"])
def test_the_command_in_the_report_opens_what_was_kept(own: Asker, mode: str) -> None:
    with own.database(mode=mode, keep=True) as handle:
        query(handle, "CREATE TABLE evidence AS SELECT 7 AS n")
    _docker, _exec, _tty, container, *command = shlex.split(handle.kept_command)

    found = docker.from_env().containers.get(container)
    answer = found.exec_run([*command, "--tuples-only", "--command=SELECT n FROM evidence"])
    assert answer.output.decode().split() == ["7"]


def test_no_repr_shows_a_password() -> None:
    url = f"postgresql://u:{QUOTED}@h/d?sslpassword={QUOTED}"
    spec = SERVICE.spec("postgres", {"url": url})
    found = SERVICE.external(spec)
    assert isinstance(found, PostgresServer)
    data = {
        **dict.fromkeys(
            ("database", "user", "mode", "schema", "template", "sockets", "gives_url"), "x"
        ),
        "password": SECRET,
        "parameters": {"sslpassword": SECRET},
    }
    lease = Lease(id="1", server=found, data=data, call=print)
    handle = handle_of(lease)
    shown = [spec, found, found.address, lease, handle, handle.address(), Account("u", SECRET)]
    shown += [Build(token="1", data={"url": url}), Grant(id="1", data=data), {"spec": spec}]

    assert [each for each in shown if "sentinel" in repr(each)] == []
    assert "sentinel" not in handle.kept_command
    assert SECRET in (found.address.keywords()["password"], handle.password)


def test_an_account_that_is_refused_is_named_without_its_password(server: PostgresServer) -> None:
    url = f"postgresql://nobody:{QUOTED}@{server.host}:{server.port}/postgres"
    refused = SERVICE.external(SERVICE.spec("postgres", {"url": url}))
    assert isinstance(refused, PostgresServer)
    with pytest.raises(IsolationFailed, match="as 'nobody'") as caught:
        Admin(refused).rows("SELECT 1")

    assert "sentinel" not in str(caught.value)
