"""`scoped`: any lease, and any convenience, as a fixture of another scope."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow

SCHEMA = """
from sqlalchemy import Column, Integer, MetaData, Table
metadata = MetaData()
visits = Table("visits", metadata, Column("id", Integer, primary_key=True))
"""
EVERY_SCOPE = """
from wflo_testkit import scoped

function_redis = scoped("redis_database", scope="function")
class_redis = scoped("redis_database", scope="class")
module_redis = scoped("redis_database", scope="module")
package_redis = scoped("redis_database", scope="package")
session_redis = scoped("redis_database", scope="session")
run_redis = scoped("redis_database", scope="run")
session_client = scoped("redis_client", scope="session", on="session_redis")
"""
TELLING = """
import pytest
from pathlib import Path
from wflo_testkit import scoped

module_redis = scoped("redis_database", scope="module")
WORDS = ("function", "class", "module", "package", "session", "run")

def tell(request, **leases):
    line = " ".join(f"{word}={leases[f'{word}_redis'].url.rpartition('/')[2]}" for word in WORDS)
    with Path(request.config.rootpath, "told").open("a") as told:
        told.write(f"{request.node.name} {line}\\n")

class TestOne:
    own = scoped("redis_database", scope="class")

    def test_a(self, request, own, class_redis, function_redis, module_redis, package_redis,
               session_redis, run_redis):
        tell(request, **{k: v for k, v in locals().items() if k.endswith("_redis")})
        assert own.url not in (class_redis.url, module_redis.url)

    def test_b(self, request, own, class_redis, function_redis, module_redis, package_redis,
               session_redis, run_redis, session_client):
        tell(request, **{k: v for k, v in locals().items() if k.endswith("_redis")})
        session_client.set("by", "the client")
"""
SECOND = (
    TELLING.replace("TestOne", "TestTwo").replace("test_a", "test_c").replace("test_b", "test_d")
)


def test_a_lease_lasts_for_its_scope(run_suite: Run, kept_servers: None) -> None:
    result = run_suite(
        files={"a/__init__.py": "", "a/test_1.py": TELLING, "a/test_2.py": SECOND},
        conftest=EVERY_SCOPE,
    )

    result.assert_outcomes(passed=4)
    # Given back and leased anew a part may have the number of the one before.
    told = (result_path(result) / "told").read_text().splitlines()
    found = [dict(word.split("=") for word in line.split()[1:]) for line in told]
    for line in found:
        assert len(set(line.values())) == len(line), "no two scopes share a part"
    for scope in ("class", "module"):
        assert found[0][scope] == found[1][scope]
        assert found[2][scope] == found[3][scope]
    for scope in ("package", "session", "run"):
        assert len({line[scope] for line in found}) == 1


def result_path(_result: pytest.RunResult) -> object: ...
