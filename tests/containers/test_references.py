"""What a container refers to is started first, and its address stands in the texts."""

from __future__ import annotations

import pytest

from tests.conftest import Run
from tests.containers import programs
from tests.containers.programs import python
from tests.containers.project import Project
from wflo_testkit import ready
from wflo_testkit.errors import SettingError, TestkitError

WEB = {**python(programs.WEB), "ports": {"http": 8000, "ws_admin": 9000}}
SAY = """
import urllib.request
print(open("/etc/urls").read())
print(open("/run/secrets/url").read())
print(sys.argv[1], os.environ["URL"])
print(urllib.request.urlopen(os.environ["URL"]).read().decode())
"""


@pytest.fixture(scope="module")
def web(running: Project) -> None:
    running.spec("web", **WEB, environment={"KEY": "{password}"}, ready=ready.http())


@pytest.mark.usefixtures("web")
def test_an_address_stands_in_every_text_and_works_inside(running: Project) -> None:
    text = '{"braces": {}, "web": "{web.urls[ws_admin]}", {x.y}} /users/{name} {{web.url}} {{{}}}'
    (running.root / "urls.txt").write_text(text)
    words = python(SAY)
    words["command"] = [*words["command"], "{web.internal_host}"]
    said = running.start(
        "asker",
        **words,
        environment={"URL": "{web.internal_url}"},
        files={"/etc/urls": "urls.txt"},
        secrets={"url": "{web.internal_urls[http]}"},
        ready=ready.done,
    ).logs()
    web = running.get(running._specs["web"])

    assert text.replace("{web.urls[ws_admin]}", f"ws://127.0.0.1:{web.ports['ws_admin']}") in said
    assert said.count("http://web:8000") == 2
    assert "web http://web:8000" in said
    assert said.endswith("web-1\n"), "it answers by its name"


@pytest.mark.slow
@pytest.mark.usefixtures("web")
def test_a_password_is_the_server_s_and_can_be_referred_to(running: Project) -> None:
    web = running.start("web", **WEB, environment={"KEY": "{password}"}, ready=ready.http())
    said = running.start(
        "knower",
        **python("print('it is', os.environ['OTHER'])"),
        environment={"OTHER": "{web.password}"},
        ready=ready.done,
    ).logs()

    assert len(web.password) == 32
    assert web.exec("printenv", "KEY").strip() == web.password
    assert f"it is {web.password}" in said
    assert web.password not in repr(web)


@pytest.mark.slow
@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("{web.internal_ulr}", "did you mean 'internal_url'?"),
        ("{web.urls[htpp]}", "did you mean 'http'?"),
    ],
)
def test_what_another_has_not_is_answered_by_the_nearest(
    running: Project, reference: str, said: str
) -> None:
    name = f"wrong-{len(reference)}"
    with pytest.raises(TestkitError) as caught:
        running.start(name, **python(programs.REST), environment={"URL": reference})

    assert f"{name} refers to {reference}, which is nowhere" in caught.value.text
    assert said in caught.value.text


@pytest.mark.slow
def test_the_setting_env_refers_to_it_in_the_same_way(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(wflo_env, web_server):
            assert wflo_env == {"WEB": f"at {web_server.urls['http']}, not at {{web.urls[http]}}"}
        """,
        pyproject="""
        [tool.wflo-testkit.env]
        WEB = "at {web.urls[http]}, not at {{web.urls[http]}}"
        [tool.wflo-testkit.servers.web]
        image = "python:3.13-slim"
        command = ["python", "-m", "http.server"]
        init = true
        ports = { http = 8000 }
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_circle_is_refused_with_its_way(run_suite: Run) -> None:
    result = run_suite(
        "def test(a_server): ...",
        pyproject="""
        [tool.wflo-testkit.servers.a]
        image = "python:3.13-slim"
        environment = { B = "{b.internal_url}" }
        [tool.wflo-testkit.servers.b]
        image = "python:3.13-slim"
        after = ["c"]
        [tool.wflo-testkit.servers.c]
        image = "python:3.13-slim"
        command = ["{a.internal_url}"]
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*servers need one another in a circle*", "*a -> b -> c -> a*"])


@pytest.mark.slow
def test_a_kit_s_own_server_is_reached_from_inside(run_suite: Run, kept_servers: None) -> None:
    result = run_suite(
        """
        def test(ask_server, postgres_server, redis_server):
            assert "answered" in ask_server.logs()
            assert postgres_server.internal_host in ask_server.logs()
        """,
        pyproject="""
        [tool.wflo-testkit.servers.ask]
        image = "postgres:17.11"
        entrypoint = ["sh", "-c"]
        command = ['''
        psql "$POSTGRES" -Atc "select 'answered'" && echo "$POSTGRES $REDIS"''']
        environment = { POSTGRES = "{postgres.internal_url}", REDIS = "{redis.internal_url}" }
        ready = "done"
        """,
    )

    result.assert_outcomes(passed=1)


def test_a_reference_of_one_s_own_name_is_a_circle(running: Project) -> None:
    # Without pytest there is no circle to see: nobody of that name is known yet.
    with pytest.raises(SettingError, match="which is nowhere"):
        running.spec("self", **python(programs.REST), environment={"A": "{self.url}"})


OF_A_WORKER = """
import pytest

from wflo_testkit import scoped

own = scoped("postgres_database", scope="session")
common = scoped("postgres_database", scope="run")


def program(wflo_container, name, lease):
    return wflo_container(
        name,
        image="redis:8.10.1",
        ports={"redis": 6379},
        environment=lease.internal_env(),
        ready={"log": "Ready to accept"},
    )


@pytest.fixture(scope="session")
def ours(wflo_container, own):
    return program(wflo_container, "ours", own)


@pytest.fixture(scope="session")
def everybodys(wflo_container, common):
    return program(wflo_container, "everybodys", common)
"""
TOLD = """
import pathlib

import pytest

@pytest.mark.parametrize("number", range(2))
def test(ours, everybodys, own, common, number, worker_id):
    assert own.internal_url in ours.exec("env")
    assert common.internal_url in everybodys.exec("env")
    here = pathlib.Path(__file__).with_name(f"told-{worker_id}")
    here.write_text(f"{ours.container_id} {everybodys.container_id}")
"""


@pytest.mark.slow
def test_what_holds_a_workers_lease_is_that_workers_and_what_holds_the_runs_is_shared(
    run_suite: Run, pytester: pytest.Pytester
) -> None:
    run_suite(TOLD, "-n2", "--dist=each", conftest=OF_A_WORKER).assert_outcomes(passed=4)

    told = [path.read_text().split() for path in pytester.path.glob("told-*")]
    assert [len(set(ids)) for ids in zip(*told, strict=True)] == [2, 1]
