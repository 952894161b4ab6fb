"""Does a schema's work under a recorder in a process of its own, and prints the manifest.

Standard input: {"folder", "before", "work", "whole_process", "database", "own", "mutant"}; the
code of `before` runs outside the recorder, `mutant` before everything, with its modules at hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from wflo_testkit.services.postgres.schema.manifest import (  # noqa: F401 - mutants change them
    Recorder,
    content,
    events,
    inputs,
    modules,
    noted,
    recorder,
    threads,
    watching,
)


def main() -> None:
    asked = json.load(sys.stdin)
    exec(asked["mutant"])
    folder = Path(asked["folder"])
    sys.path.insert(0, str(folder))
    names = {"__name__": "schema", "__file__": str(folder / "schema.py"), "HERE": folder}
    exec(asked["before"], names)
    recording = Recorder(
        whole_process=asked["whole_process"],
        start=str(folder / "schema.py"),
        own_variables=asked["own"],
        database=asked["database"],
    )
    with recording:
        names["recording"] = recording
        exec(compile(asked["work"], names["__file__"], "exec"), names)
    print(json.dumps(recording.manifest().to_json()))


if __name__ == "__main__":
    main()
