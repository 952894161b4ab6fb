"""The words that Docker's create takes as they are, under docker-py's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wflo_testkit.model import Json
from wflo_testkit.services.container import compose

_SAME = (
    "working_dir",
    "read_only",
    "shm_size",
    "platform",
    "init",
    "stop_signal",
    "memory",
    "pids",
)
_NAMES = {"memory": "mem_limit", "pids": "pids_limit", "cpus": "nano_cpus"}
_OURS = ("name", "image", "command", "environment", "ports", "mounts", "network", "detach")
"""What the kit itself says."""
HOST = "host.docker.internal"


def docker_arguments(words: Mapping[str, Any], own: Mapping[str, Json]) -> dict[str, Json]:
    """Return docker-py's arguments. own: those that the project has given so; they win.

    Raises ValueError for what is the kit's to say.
    """
    if taken := sorted(set(own) & set(_OURS)):
        raise ValueError(f"{', '.join(taken)} is the kit's to say: use the word of the table")
    found = {_NAMES.get(word, word): words[word] for word in _SAME if words[word]}
    for word, convert in _CONVERTED.items():
        if words[word] or (word, words[word]) == ("user", 0):  # root is a user, too
            found[_NAMES.get(word, word)] = convert(words[word])
    if words["host_access"]:
        found["extra_hosts"] = {HOST: "host-gateway"}
    return found | dict(own)


def _ulimits(given: Mapping[str, Json]) -> list[dict[str, Json]]:
    return [
        {"Name": name, "Soft": each["soft"], "Hard": each["hard"]}
        if isinstance(each, Mapping)
        else {"Name": name, "Soft": each, "Hard": each}
        for name, each in given.items()
    ]


_CONVERTED: dict[str, Callable[[Any], Json]] = {
    "healthcheck": compose.healthcheck,
    "ulimits": _ulimits,
    "user": str,
    "cpus": lambda number: int(number * 1e9),
}
