"""A Postgres image with the cluster already made: initdb is most of a cold start.

The template that tests' databases are cloned from may be inside, too: restored from a dump of the
run before, under names that the next run takes over (names.READY).

The cluster lies outside PGDATA and is copied there at each start, onto the tmpfs. That is as quick
as to run it where it lies, and clones of databases take half the time there (measured: ready in
0.25-0.28 against 0.23-0.28 s, a clone in 7 against 14 ms).
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from wflo_testkit.model import Content, Recipe, Spec
from wflo_testkit.services.postgres.accounts import FOR_TESTS, FOR_THE_KIT, verifier
from wflo_testkit.services.postgres.extensions import statements
from wflo_testkit.services.postgres.names import READY
from wflo_testkit.services.postgres.server import PostgresServer

FOLDER = "/wflo-warm"
_HERE = Path(__file__).parent
_PASSWORD = "POSTGRES_PASSWORD"  # noqa: S105 - a variable's name

_COPY = f'cp -a {FOLDER}/cluster/. "$PGDATA"'
# A server for one statement, to which nobody can connect (PostgreSQL manual, postgres --single).
_RESET = """\
printf 'ALTER ROLE "%s" PASSWORD '"'%s'"'\\n' "$POSTGRES_USER" "$WFLO_PASSWORD" |
    docker-entrypoint.sh postgres --single -D "$PGDATA" -c fsync=off postgres >/dev/null
unset WFLO_PASSWORD"""
_SERVE = 'exec docker-entrypoint.sh "$@"'


def recipe(
    spec: Spec, password: str, content: Content | None = None, text: str = ""
) -> Recipe | None:
    """Return how the cluster of `spec` is made ahead, with `password` for its administrator.

    content, text: what a template holds that is inside, too; see `content`.
    None for a spec that somebody has changed so that it does not follow: another password, or
    another program.
    """
    given = dict(spec.environment)
    if given.pop(_PASSWORD, "") != "{password}" or spec.command[:1] != ("postgres",):
        return None
    # Tests of a `superuser` suite get the administrator's account.
    iterations = FOR_TESTS if spec.options.get("role") == "superuser" else FOR_THE_KIT
    return Recipe(
        script="\n".join(
            [
                *(f"export {name}={shlex.quote(text)}" for name, text in given.items()),
                f"set -- {shlex.join(spec.command)}",
                (_HERE / "make.sh").read_text(),
            ]
        ),
        files={
            f"{FOLDER}/verifier": verifier(password, iterations),
            # For the template; and no server that is to have others starts from this image.
            **_extensions(spec.options.get("extensions", ())),
            **(_template(content, text) if content is not None else {}),
        },
        check=(_HERE / "check.sh").read_text(),
        start=_started(spec, given, _COPY, _SERVE),
        reset=_started(spec, given | {"WFLO_PASSWORD": "{password}"}, _COPY, _RESET, _SERVE),
    )


def content(template: str, fingerprint: str, *, server: PostgresServer, stem: str) -> Content:
    """Return how another run gets what the database `template` holds.

    Printed is all but who owns it: everything belongs to the role that applies the schema. stem:
    what the names of this run begin with.
    """
    dump = ("pg_dump", f"--username={server.username}", "--no-owner", f"--dbname={template}")
    return Content(fingerprint=fingerprint, command=dump, secret=stem)


def _started(spec: Spec, environment: Mapping[str, str], *steps: str) -> Spec:
    script = "\n".join(("set -e", *steps))
    command = ("sh", "-c", script, "wflo", *spec.command)
    return dataclasses.replace(spec, command=command, environment=environment)


def _extensions(names: Sequence[str]) -> dict[str, str]:
    made = "".join(f"{statement};\n" for statement in statements(names))
    return {f"{FOLDER}/extensions.sql": made} if names else {}


def _template(content: Content, text: str) -> dict[str, str]:
    name = READY.template(content.fingerprint)
    return {f"{FOLDER}/schema.sql": text, f"{FOLDER}/schema": name}
