"""When a container of one's own is ready: each function returns one condition, plain data.

`wflo_container(..., ready=ready.http("/health"))`; a list of them means all, one after the other.
In pyproject.toml they are written out: `ready = { http = "/health" }`, `ready = "healthy"`.
timeout: seconds, by default the container's startup_timeout. port: a name among its `ports`, by
default the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from wflo_testkit.model import Json

Condition = dict[str, Json]
"""One kind as a key, and what belongs to it."""

healthy: Condition = {"healthy": True}
"""The image's, or the container's own, health check says so."""
done: Condition = {"done": True}
"""Its process has ended with code 0: a job that is done once, such as a migration."""


def http(
    path: str = "/", *, port: str = "", status: int | Sequence[int] = 200, timeout: float = 0
) -> Condition:
    """GET `path` is answered with `status`, or one of them."""
    statuses = status if isinstance(status, int) else list(status)
    return _condition(timeout, http=path, port=port, status=statuses)


def tcp(port: str = "", *, timeout: float = 0) -> Condition:
    """Something listens at the port: Docker's proxy alone does not count."""
    return _condition(timeout, tcp=port)


def log(pattern: str, *, timeout: float = 0) -> Condition:
    """A line of the container's output holds the regular expression (Python's `re.search`)."""
    return _condition(timeout, log=pattern)


def command(*words: str, timeout: float = 0) -> Condition:
    """A command in the container ends with 0."""
    return _condition(timeout, command=list(words))


def grpc(service: str = "", *, port: str = "", timeout: float = 0) -> Condition:
    """gRPC's health service (grpc.health.v1) says SERVING of `service`, "" for the whole server."""
    return _condition(timeout, grpc=service, port=port)


def _condition(timeout: float, **given: Json) -> Condition:
    kind = next(iter(given))
    rest = {name: value for name, value in given.items() if value or name == kind}
    return rest | ({"timeout": float(timeout)} if timeout else {})
