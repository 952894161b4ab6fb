"""What pytest is told of the kit's services at its start, without loading them.

Written by scripts/outline.py from the services' rows. Change those, not this file.
"""

from __future__ import annotations

CONTAINER = "container"
"""What a server is of that names no service: a container of one's own."""

Flag = tuple[str, bool, str]
"""An option of the command line: the setting's key, whether it is a switch, its help."""

Fixture = tuple[str, str, tuple[str, ...], str]
"""A fixture of a server: suffix of its name, part of the service's row, suffixes of the fixtures
that it takes as arguments, docstring."""

FLAGS: tuple[Flag, ...] = (
    (
        "images",
        False,
        "Which images serve: official ones, local ones built from containers/, or (auto) whichever"
        " is here, official first.",
    ),
    (
        "reuse",
        True,
        "Leave servers running at the end and find them again in the next run. With CI set only "
        "the command line's option counts.",
    ),
    ("fresh", True, "Start every server anew, as happens without reuse."),
    (
        "warm_images",
        True,
        "Start from images in which the slow part of a start is done already, and make missing "
        "ones after the run, in the background; in CI they are used, but not made.",
    ),
    (
        "keep",
        True,
        "Leave the kit's containers, with failed tests' data inside, at the end, to look at.",
    ),
    (
        "without_docker",
        False,
        "What becomes of a test that needs Docker where no daemon answers; the last line counts "
        "what was skipped for it.",
    ),
    ("require", True, "Without Docker fail, whatever without_docker says."),
    (
        "debug",
        True,
        "Show the log of the broker, the process that owns the containers, at the end.",
    ),
    ("report", False, "Write a report of servers and leases to this path."),
    (
        "leftovers",
        False,
        "What to do about connections, transactions and workflows that a test left open; they are "
        "closed in any case.",
    ),
    ("postgres_image", False, "Image of postgres; empty for the tag that the kit pins."),
    (
        "postgres_startup_timeout",
        False,
        "Seconds that postgres may take to get ready, the image's pull not counted.",
    ),
    ("postgres_url", False, "an external server, as postgresql://user:password@host:port/database"),
    ("postgres_isolation", False, "what a test gets to itself"),
    ("postgres_role", False, "what a test may do: everything in its own database, or everything"),
    ("redis_image", False, "Image of redis; empty for the tag that the kit pins."),
    (
        "redis_startup_timeout",
        False,
        "Seconds that redis may take to get ready, the image's pull not counted.",
    ),
    (
        "redis_url",
        False,
        "an external server, as redis://user:password@host:port/0; it is never flushed",
    ),
    (
        "redis_isolation",
        False,
        "what a test gets to itself: a logical database, or (always on an external server) the "
        "keys and channels with a prefix",
    ),
    ("redis_databases", False, "logical databases of the kit's server; each test holds one"),
    ("kafka_image", False, "Image of kafka; empty for the tag that the kit pins."),
    (
        "kafka_startup_timeout",
        False,
        "Seconds that kafka may take to get ready, the image's pull not counted.",
    ),
    (
        "kafka_bootstrap_servers",
        False,
        "an external cluster, as host:port[,host:port]; plain text, no authentication",
    ),
    (
        "kafka_auto_create_topics",
        True,
        "whether the kit's server makes a topic when it is first named, misspelt or not",
    ),
    ("temporal_image", False, "Image of temporal; empty for the tag that the kit pins."),
    (
        "temporal_startup_timeout",
        False,
        "Seconds that temporal may take to get ready, the image's pull not counted.",
    ),
    ("temporal_address", False, "an external server, as host:port (no TLS)"),
    (
        "temporal_namespace",
        False,
        "external server only: use this one namespace instead of registering one per test",
    ),
    ("temporal_ui", True, "run the web interface, at server.ui_url"),
    (
        "temporal_system_workers",
        True,
        "run system workers per namespace: batch operations and classic schedules need them",
    ),
)

FIXTURES: dict[str, tuple[Fixture, ...]] = {
    "postgres": (
        ("server", "server", (), ""),
        (
            "schema",
            "input",
            (),
            "What the database of a test contains: a MetaData, .sql files, an alembic.ini, a "
            "callable(url), or a list of these. None: nothing.",
        ),
        (
            "database",
            "lease",
            ("schema",),
            "A database that only this test sees, with the schema of `postgres_schema`.",
        ),
        (
            "empty_database",
            "lease",
            (),
            "An empty database that only this test sees, for tests of migrations.",
        ),
        ("engine", "convenience", ("database",), "An SQLAlchemy Engine on the test's database."),
        ("session", "convenience", ("database",), "An SQLAlchemy Session on the test's database."),
        (
            "async_engine",
            "convenience",
            ("database",),
            "An SQLAlchemy AsyncEngine on the test's database.",
        ),
        (
            "async_session",
            "convenience",
            ("database",),
            "An SQLAlchemy AsyncSession on the test's database.",
        ),
    ),
    "redis": (
        ("server", "server", (), ""),
        (
            "database",
            "lease",
            (),
            "A part of Redis that only this test sees: a logical database, or a key prefix.",
        ),
        ("client", "convenience", ("database",), "A redis.Redis on the test's part of the server."),
        (
            "async_client",
            "convenience",
            ("database",),
            "A redis.asyncio.Redis on the test's part of the server.",
        ),
    ),
    "kafka": (
        ("server", "server", (), ""),
        (
            "topics",
            "lease",
            (),
            "Topics, consumer groups and transactional ids that only this test has.",
        ),
        ("producer", "convenience", ("topics",), "A KafkaProducer, flushed and closed at the end."),
        (
            "consumer",
            "convenience",
            ("topics",),
            "A factory of consumers: kafka_consumer(*topics, group=None).",
        ),
        ("admin", "convenience", ("topics",), "A KafkaAdminClient."),
    ),
    "temporal": (
        ("server", "server", (), ""),
        ("namespace", "lease", (), "A Temporal namespace that only this test uses."),
        (
            "client",
            "convenience",
            ("namespace",),
            "A connected temporalio Client of the test's namespace.",
        ),
        (
            "worker",
            "convenience",
            ("namespace",),
            "Factory: `async with temporal_worker(workflows=[...], activities=[...]):`.",
        ),
    ),
    CONTAINER: (("server", "server", (), ""),),
}
