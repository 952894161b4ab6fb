"""The words of a container's table: Compose's where it has them."""

from __future__ import annotations

from typing import Any

from wflo_testkit.service import Option

TIMEOUT = 60.0


def _option(word: str, default: Any, text: str, choices: tuple[str, ...] = ()) -> Option:
    return Option(
        key=f"container_{word}",
        default=default,
        help=text,
        choices=choices,
        on_command_line=False,
        in_environment=word == "image",
    )


OPTIONS = (
    _option("image", "", "The image; or `build`, or `object`."),
    _option("startup_timeout", TIMEOUT, "Seconds to get ready, pull and build not counted."),
    _option(
        "build",
        None,
        "The folder to build from, or a table of `context`, `dockerfile`, `target` and `args`.",
    ),
    _option("object", "", "`module:callable` that returns a Testcontainers object."),
    _option("ports", {}, "Name -> port inside; the first is that of `url`."),
    _option("environment", {}, "Variables; `{name.attribute}` refers to a server or a lease."),
    _option("env_file", None, "A file of variables, or several; `environment` goes before them."),
    _option("files", {}, "Path inside -> file or folder of the project, copied there."),
    _option(
        "secrets",
        {},
        "Name, below /run/secrets, or path inside -> text of a file that only its user can read.",
    ),
    _option("command", None, "In place of the image's: a list, or a text as a shell splits it."),
    _option("entrypoint", None, "The same for the entrypoint."),
    _option("ready", None, "When it is ready, or a list of conditions."),
    _option("after", [], "Servers that are started before, where nothing refers to them."),
    _option("fill", "", "`module:callable` that is called with the server before anybody else."),
    _option(
        "external", "", "A variable; where it is set it holds the address, nothing is started."
    ),
    _option("replicas", 1, "Containers at the start."),
    _option("per", "run", "One per run, or one per worker.", ("run", "worker")),
    _option("host_access", False, "Whether host.docker.internal is the machine of the daemon."),
    _option("user", None, "User, or user:group, by number or name."),
    _option("working_dir", "", "The folder in which the command starts."),
    _option("read_only", False, "Whether its file system is read-only."),
    _option("tmpfs", {}, "Path inside -> size, such as 16m, or mount options."),
    _option("volumes", {}, "Volume of the run, or path of the project -> path inside."),
    _option("memory", "", "Limit, such as 256m."),
    _option("cpus", 0.0, "Processors, such as 0.5."),
    _option("pids", 0, "Limit of processes and threads."),
    _option("shm_size", "", "Size of /dev/shm, such as 64m."),
    _option("ulimits", {}, "Name -> limit, or a table of soft and hard."),
    _option("platform", "", "Such as linux/amd64."),
    _option(
        "pull_policy",
        "missing",
        "When the image is pulled.",
        ("missing", "always", "never"),
    ),
    _option("healthcheck", {}, "Of the container, in place of the image's, as Compose writes it."),
    _option("init", False, "Whether an init process reaps its children."),
    _option("stop_signal", "", "What asks it to end, such as SIGINT."),
    _option(
        "stop_grace_period", None, "Seconds from that to SIGKILL, or such as 1m30s; by default 10."
    ),
    _option("docker", {}, "Further arguments of docker-py's containers.create."),
)
WORDS = tuple(option.key.removeprefix("container_") for option in OPTIONS)

COMPOSE = {
    "cap_add": "docker = { cap_add = [...] }",
    "cap_drop": "docker = { cap_drop = [...] }",
    "configs": "files",
    "container_name": "the table's name",
    "depends_on": "a reference such as {postgres.internal_url}, or after",
    "deploy": "replicas, memory, cpus",
    "devices": "docker = { devices = [...] }",
    "dns": "docker = { dns = [...] }",
    "env": "environment",
    "expose": "ports",
    "extra_hosts": "host_access = true, or docker = { extra_hosts = {...} }",
    "hostname": "docker = { hostname = ... }",
    "labels": "docker = { labels = {...} }",
    "links": "a reference such as {postgres.internal_url}",
    "logging": "docker = { log_config = {...} }",
    "mem_limit": "memory",
    "network_mode": "docker = { network_mode = ... }",
    "networks": "nothing: all servers of a run are on one network",
    "pids_limit": "pids",
    "port": "ports",
    "privileged": "docker = { privileged = true }",
    "profiles": "nothing: what a selected test uses is started",
    "restart": "nothing: a container that ends fails its tests",
    "scale": "replicas",
    "security_opt": "docker = { security_opt = [...] }",
    "sysctls": "docker = { sysctls = {...} }",
    "timeout": "startup_timeout, or timeout in ready",
}
"""What Compose has, or people write, and what is nearest to it here."""
