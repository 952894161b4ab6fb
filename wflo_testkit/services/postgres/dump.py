"""What a failed test's database is dumped by, and what lets a person look at the dump."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from shutil import which

from wflo_testkit.catalog import official
from wflo_testkit.isolation import Dump
from wflo_testkit.model import Json
from wflo_testkit.services.postgres.server import PostgresServer

_LOCK_WAIT = "5s"
"""How long to wait for a table that a session of the test has locked."""
_OPENS = """\
# Loads {file}, beside this script, into a new server, and opens psql there; then the server goes.
# Into an empty database of your own: psql -d NAME -f {file}
set -eu
cd "$(dirname "$0")"
server=$(docker run --detach --env POSTGRES_HOST_AUTH_METHOD=trust IMAGE)
trap 'docker rm --force --volumes "$server" >/dev/null' EXIT
tries=0
until docker exec "$server" pg_isready --quiet --host=127.0.0.1; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ]; then
        docker logs "$server"
        exit 1
    fi
    sleep 0.1
done
docker exec --interactive "$server" psql --quiet --output=/dev/null --username=postgres <{file}
if [ -t 0 ]; then
    docker exec --interactive --tty "$server" psql --username=postgres
else
    docker exec --interactive "$server" psql --username=postgres
fi
"""


def dump(server: PostgresServer, data: Mapping[str, Json]) -> Dump | None:
    """Return how the database, or the schema, of a lease is dumped.

    data: of the lease. None where nothing is left to dump, as after a rollback, and for an external
    server where this machine has no pg_dump. Whose a thing is, and what others may do with it, is
    left out: the roles end with the run.
    """
    if not data["gives_url"] or (server.is_external and which("pg_dump") is None):
        return None
    only = (f"--schema={data['schema']}",) if data["schema"] else ()
    command = (
        *("pg_dump", "--no-owner", "--no-privileges", f"--lock-wait-timeout={_LOCK_WAIT}", *only),
        *_place(server, data["database"]),
    )
    return Dump(
        command=command,
        outline=(*command, "--schema-only"),
        suffix="sql",
        opens=_OPENS.replace("IMAGE", shlex.quote(server.image or official("postgres"))),
        environment={"PGPASSWORD": server.password} if server.is_external else {},
    )


def _place(server: PostgresServer, database: str) -> tuple[str, ...]:
    """Return the options that say where the database is; in the container no password is asked."""
    if server.is_external:
        return (f"--dbname={replace(server.address, database=database).url_to_show()}",)
    return (f"--username={server.username}", f"--dbname={database}")
