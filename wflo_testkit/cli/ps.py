"""`wflo-testkit ps`: the containers of the kit that run now."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from wflo_testkit.cli.table import aligned, duration
from wflo_testkit.runtime import daemon, labels, ports
from wflo_testkit.runtime.address import Endpoint, resolve
from wflo_testkit.runtime.reuse.kept import users
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import argparse

    from docker import DockerClient

HEAD = ("SERVER", "KIND", "RUN", "ADDRESS", "AGE", "CONTAINER")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the kit's command line."""
    parser = subparsers.add_parser("ps", help="list the kit's running containers")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the containers. Raises DockerUnavailable, SettingError."""
    endpoint = resolve()
    with closing(daemon.connect(endpoint).client) as client:
        found = rows(client, endpoint)
    if arguments.json:
        print(json.dumps(found, indent=2))
    elif found:
        print("\n".join(aligned([HEAD, *map(_cells, found)])))
    else:
        print("no containers of the kit are running")
    return 0


def rows(client: DockerClient, endpoint: Endpoint) -> list[dict[str, Any]]:
    """Describe each running container of the kit on the daemon at `endpoint`, oldest first.

    Keys: id, name, kind, server, run ("" for what carries no run's label: it is kept, or it is
    a reaper), reused (kept for reuse), used_by (runs), addresses, image, age (seconds).
    """
    host = endpoint.host
    found = client.api.containers(filters={"label": labels.KIT})
    return [_row(each, host) for each in sorted(found, key=lambda each: int(each["Created"]))]


def _row(container: dict[str, Any], host: str) -> dict[str, Any]:
    own = container["Labels"]
    is_kept = labels.HOME in own
    published = {
        int(each["PublicPort"])
        for each in container["Ports"] or []
        if each.get("PublicPort") and ports.is_of_family(each.get("IP", ""), host)
    }
    return {
        "id": container["Id"],
        "name": container["Names"][0].lstrip("/"),
        "kind": own[labels.KIT],
        "server": own.get(labels.SERVER, ""),
        "run": own.get(labels.RUN, ""),
        "reused": is_kept,
        "used_by": users(own) if is_kept else [],
        "addresses": [f"{host}:{port}" for port in sorted(published)],
        "image": container["Image"],
        "age": max(0.0, clock.wall() - float(container["Created"])),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["server"] or "-",
        row["kind"],
        row["run"] or _without_run(row),
        " ".join(row["addresses"]) or "-",
        duration(row["age"]),
        row["name"],
    )


def _without_run(row: dict[str, Any]) -> str:
    if row["reused"]:
        return f"(reused by {', '.join(row['used_by'])})" if row["used_by"] else "(reused)"
    return "-" if row["kind"] == "reaper" else "(kept)"
