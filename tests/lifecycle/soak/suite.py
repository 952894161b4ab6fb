"""The suite that all runs of the soak share, on Postgres and Redis."""

from __future__ import annotations

CONFTEST = '''
def worked(*_args, **_kwargs):
    """Called when a test has used its parts once."""

def ended(*_args, **_kwargs):
    """Called when a test is about to end."""

def enter(*_args, **_kwargs):
    put(f"in-{os.getpid()}-{threading.get_ident()}")

def stay(*_args, **_kwargs):
    rest()
    put("past")

def around(owner, name, before=None, after=None):
    """Let something be called before and after each call of a function."""
    function = getattr(owner, name)

    def call(*args, **kwargs):
        if before is not None:
            before()
        value = function(*args, **kwargs)
        if after is not None:
            after()
        return value

    setattr(owner, name, call)

def make_schema(url):
    import psycopg
    with psycopg.connect(url) as database:
        database.execute("create table trace (word text)")

@pytest.fixture(scope="session")
def postgres_schema():
    return make_schema

def pytest_runtest_setup(item):
    if (HERE / "finish").exists():
        pytest.exit("told to", returncode=0)

def pytest_runtest_logreport(report):
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    if report.failed:
        put(f"failed-{time.monotonic_ns()}", f"{report.nodeid}, {report.when}")
    elif report.when == "call":
        put("passed", len(PASSED.append(report.nodeid) or PASSED))

PASSED = []
'''

TESTS = """
import os, time
import psycopg, pytest
from conftest import ended, put, worked
from wflo_testkit.wait import pause

SECONDS = float(os.environ["SOAK_SECONDS"])

@pytest.mark.parametrize("n", range(int(os.environ["SOAK_TESTS"])))
def test_keeps_to_itself(postgres_database, postgres_server, redis_client, redis_server, n):
    for server in (postgres_server, redis_server):
        put(f"on-{server.container_id}")
    own = f"{os.environ['SOAK_NAME']} {n}"
    with psycopg.connect(postgres_database.url, autocommit=True) as database:
        look(set(), database, redis_client)
        write(own, database, redis_client)
        worked()
        end = time.monotonic() + SECONDS
        while look({own}, database, redis_client) and time.monotonic() < end:
            pause(0.05)
            write(own, database, redis_client)
    ended()

def write(own, database, client):
    database.execute("insert into trace values (%s)", (own,))
    client.lpush("trace", own)

def look(expected, database, client):
    rows = database.execute("select distinct word from trace").fetchall()
    seen = {word for (word,) in rows}
    for key in client.keys():
        seen |= {word.decode() for word in client.lrange(key, 0, -1)}
    for word in seen - expected:
        put(f"foreign-{time.monotonic_ns()}", word)
    assert seen == expected
    return True
"""
"""Each test writes its own word over and over, and should never see anybody else's."""
