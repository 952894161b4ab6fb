"""The Postgres image's contract: environment, first start, init files, users, end."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.images.conftest import Box
from wflo_testkit.wait import wait_until

# A container or two for each test; what every image declares is checked in test_declarations.py.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Run = Callable[..., Box]
MAJORS = {"postgres": "17", "postgres-13": "13", "postgres-18": "18"}
SECRET = {"POSTGRES_PASSWORD": "s3cret"}


@pytest.fixture(params=MAJORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def create(create: Run, name: str) -> Run:
    """What these tests call postgres is one version after another."""
    return lambda _postgres, *rest, **options: create(name, *rest, **options)


def connect(box: Box, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect over TCP, as the user and to the database that the image makes by default."""
    wanted = {"user": "postgres", "password": "s3cret", "dbname": "postgres"} | options
    address = {"host": "127.0.0.1", "port": box.port(5432), "connect_timeout": 5}
    return wait_until(
        lambda: psycopg.connect(autocommit=True, **address, **wanted),
        timeout=90,  # initdb, on a machine with ten times more to do than it has cores
        describe="Postgres answers",
        catch=psycopg.OperationalError,
    )


def ask(box: Box, query: str, **options: Any) -> Any:
    """First column of the first row."""
    with connect(box, **options) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(
    "command", [None, ["-c", "fsync=off"], ["postgres", "-c", "fsync=off"]], ids=str
)
def test_options_alone_are_options_of_the_server(run: Run, command: list[str] | None) -> None:
    box = run("postgres", command, ports=(5432,), environment=SECRET)

    assert ask(box, "SHOW fsync") == ("off" if command else "on")


def test_text_is_utf8_and_american_english(run: Run) -> None:
    """SQL_ASCII databases give bytes instead of text."""
    box = run("postgres", ports=(5432,), environment=SECRET)

    assert ask(box, "SHOW server_encoding") == "UTF8"
    assert ask(box, "SELECT datcollate FROM pg_database WHERE datname='postgres'") == "en_US.utf8"
    assert ask(box, "SELECT 'żółw'") == "żółw"


def test_user_and_database_of_ones_own(run: Run) -> None:
    names = {"POSTGRES_USER": "app", "POSTGRES_DB": 'shop "1"'}
    box = run("postgres", ports=(5432,), environment=SECRET | names)

    assert ask(box, "SELECT current_database()", user="app", dbname='shop "1"') == 'shop "1"'


def test_the_database_is_called_like_the_user(run: Run) -> None:
    box = run("postgres", ports=(5432,), environment=SECRET | {"POSTGRES_USER": "app"})

    assert ask(box, "SELECT current_database()", user="app", dbname="app") == "app"


def test_a_wrong_password_is_refused(run: Run) -> None:
    box = run("postgres", ports=(5432,), environment=SECRET)
    connect(box).close()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1", port=box.port(5432), user="postgres", password="x", dbname="postgres"
        )


def test_no_password_is_an_error(run: Run) -> None:
    box = run("postgres")

    assert box.exit_code() == 1
    assert "superuser password is not specified" in box.logs()


def test_trust_needs_no_password(run: Run) -> None:
    box = run("postgres", ports=(5432,), environment={"POSTGRES_HOST_AUTH_METHOD": "trust"})

    assert ask(box, "SELECT 1", password="") == 1


def test_initdb_arguments_are_read_by_a_shell(run: Run) -> None:
    arguments = {
        "POSTGRES_INITDB_ARGS": "--no-sync --data-checksums --encoding='LATIN1' --locale=C"
    }
    box = run("postgres", ports=(5432,), environment=SECRET | arguments)

    assert ask(box, "SHOW server_encoding") == "LATIN1"
    assert ask(box, "SHOW data_checksums") == "on"


def test_data_on_tmpfs_outside_the_volume(run: Run) -> None:
    """The one place that works from release 14 to 18."""
    box = run(
        "postgres",
        ports=(5432,),
        environment=SECRET | {"PGDATA": "/pgdata"},
        tmpfs={"/pgdata": "rw,mode=0700"},
    )

    assert ask(box, "SHOW data_directory") == "/pgdata"
    assert box.sh("stat -c '%U %a' /pgdata") == "postgres 700"


def test_write_ahead_log_in_a_folder_of_its_own(run: Run) -> None:
    environment = SECRET | {"POSTGRES_INITDB_WALDIR": "/wal"}
    box = run("postgres", ports=(5432,), environment=environment)

    assert ask(box, "SELECT 1") == 1
    assert box.sh('readlink "$PGDATA/pg_wal"') == "/wal"


def test_values_from_files(create: Callable[..., Box]) -> None:
    files = {"POSTGRES_PASSWORD_FILE": "/tmp/password", "POSTGRES_USER_FILE": "/tmp/user"}
    box = create("postgres", environment=files, ports={"5432/tcp": ("127.0.0.1", None)})
    box.put("/tmp/password", "s3cret\n")
    box.put("/tmp/user", "app\n")
    box.container.start()

    assert ask(box, "SELECT current_user", user="app", dbname="app") == "app"


@pytest.mark.parametrize("variable", ["INITDB_ARGS", "PASSWORD", "USER", "DB"])
def test_a_value_and_its_file_exclude_each_other(run: Run, variable: str) -> None:
    both = {f"POSTGRES_{variable}": "x", f"POSTGRES_{variable}_FILE": "/tmp/x"}
    box = run("postgres", environment=both)

    assert box.exit_code() == 1
    assert "are set (but are exclusive)" in box.logs()


def test_init_files_in_the_order_of_their_names(create: Callable[..., Box]) -> None:
    """Sourced and executed scripts, plain and packed SQL."""
    box = create("postgres", environment=SECRET, ports={"5432/tcp": ("127.0.0.1", None)})
    folder = "/docker-entrypoint-initdb.d"
    box.put(f"{folder}/1.sql", "CREATE TABLE steps (n serial, name text);", 0o644)
    box.put(
        f"{folder}/2.sh",
        '#!/bin/bash\npsql -U "$POSTGRES_USER" -c "INSERT INTO steps(name) VALUES (\'run\')"\n',
    )
    insert = "docker_process_sql <<< \"INSERT INTO steps(name) VALUES ('sourced')\""
    box.put(f"{folder}/3.sh", insert, 0o644)
    for ending, pack in (("gz", gzip.compress), ("xz", lzma.compress), ("zst", stored_zstd)):
        statement = f"INSERT INTO steps(name) VALUES ('{ending}');\n"
        box.put(f"{folder}/4.sql.{ending}", pack(statement.encode()), 0o644)
    box.put(f"{folder}/README", "not a script", 0o644)
    box.container.start()

    names = ask(box, "SELECT string_agg(name, ' ' ORDER BY n) FROM steps")

    assert names == "run sourced gz xz zst"
    assert f"ignoring {folder}/README" in box.logs()


def stored_zstd(data: bytes) -> bytes:
    """Return a Zstandard frame of one uncompressed block (RFC 8878): Python 3.11 has no zstd."""
    header = b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)])
    return header + (1 | len(data) << 3).to_bytes(3, "little") + data


def test_a_failing_init_file_ends_the_start(create: Callable[..., Box]) -> None:
    box = create("postgres", environment=SECRET)
    box.put("/docker-entrypoint-initdb.d/1.sql", "SELECT nonsense;", 0o644)
    box.container.start()

    assert box.exit_code() != 0
    assert 'column "nonsense" does not exist' in box.logs()


def test_nobody_reaches_the_server_that_runs_the_init_files(create: Callable[..., Box]) -> None:
    """It listens on its socket only, so the first answer over TCP comes from the final server."""
    box = create("postgres", environment=SECRET, ports={"5432/tcp": ("127.0.0.1", None)})
    box.put("/docker-entrypoint-initdb.d/1.sql", "SELECT pg_sleep(1); CREATE TABLE t ();", 0o644)
    box.container.start()

    assert ask(box, "SELECT count(*) FROM pg_tables WHERE tablename = 't'") == 1


def test_existing_data_is_left_alone(run: Run) -> None:
    """A second start says so, and says that it is ready once."""
    box = run("postgres", ports=(5432,), environment=SECRET)
    with connect(box) as connection:
        connection.execute("CREATE TABLE kept ()")
    wait_until(lambda: readies(box) == 2, timeout=20)  # Docker stores a line a moment later
    box.container.restart()

    assert ask(box, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == 1
    wait_until(lambda: readies(box) == 3, timeout=20)
    assert "Skipping initialization" in box.logs()


def readies(box: Box) -> int:
    return box.logs().count("ready to accept connections")


def test_the_server_is_not_root(run: Run) -> None:
    box = run("postgres", ports=(5432,), environment=SECRET)
    connect(box).close()

    assert box.sh("stat -c %U /proc/1") == "postgres"
    assert box.sh("stat -c %a /var/run/postgresql").endswith("775")


def test_a_bare_user_number_will_do(run: Run) -> None:
    """initdb wants a name for its user: the entrypoint lends one."""
    box = run(
        "postgres",
        ports=(5432,),
        user="4711:4711",
        environment=SECRET | {"PGDATA": "/pgdata"},
        tmpfs={"/pgdata": "rw,mode=0700,uid=4711,gid=4711"},
    )

    assert ask(box, "SELECT 1") == 1


def test_other_commands_run_as_they_are(run: Run, name: str) -> None:
    box = run("postgres", ["postgres", "--version"])

    assert box.exit_code() == 0
    assert box.logs().startswith(f"postgres (PostgreSQL) {MAJORS[name]}.")


def test_sample_files_and_folders(run: Run) -> None:
    box = run("postgres", ["sleep", "60"], init=True)

    sample = box.sh("grep '^listen_addresses' /usr/share/postgresql/postgresql.conf.sample")
    assert sample.startswith("listen_addresses = '*'")
    assert box.sh("ls -d /docker-entrypoint-initdb.d") == "/docker-entrypoint-initdb.d"
    assert box.sh("stat -c '%a %U' /var/run/postgresql") == "3777 postgres"
    assert box.sh("which initdb pg_ctl pg_dump psql gosu | wc -l") == "5"
    assert box.sh("id -u postgres") == "999"


def test_it_stops_at_once_with_clients_connected(run: Run) -> None:
    box = run("postgres", ports=(5432,), environment=SECRET)

    with connect(box):
        assert box.terminate() == 0

    assert "database system is shut down" in box.logs()
