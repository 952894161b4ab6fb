"""Pulling an image, with an early end where no registry answers."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import docker

FIRST_ANSWER = 20.0
"""Seconds for the first word of a registry. A daemon keeps trying for minutes otherwise."""

# What daemons say when the registry did answer, and has no such image or lets nobody see it.
_ANSWERED = (
    "not found",
    "manifest unknown",
    "denied",
    "unauthorized",
    "toomanyrequests",
    "no match",
)
_UNREACHABLE = ("no such host", "server misbehaving", "name resolution")


class PullFailed(Exception):
    """An image could not be pulled. reachable: whether its registry answered at all."""

    def __init__(self, message: str, *, reachable: bool) -> None:
        self.reachable = reachable
        super().__init__(message)


def pull(
    client: docker.DockerClient,
    reference: str,
    *,
    report: Callable[[str], None] | None = None,
    first_answer: float = FIRST_ANSWER,
) -> None:
    """Pull `reference`, with the credentials of DOCKER_AUTH_CONFIG or else of config.json.

    report: called with one line per change of state. first_answer: seconds until the registry
    is taken for unreachable. Raises PullFailed.
    """
    events: queue.SimpleQueue[Mapping[str, Any] | BaseException | None] = queue.SimpleQueue()
    # docker-py gives pulls no time-out, so a thread that may hang is left behind on purpose.
    threading.Thread(target=_stream, args=(client, reference, events), daemon=True).start()
    patience: float | None = first_answer
    layers: dict[str, bool] = {}
    while (event := _next(events, patience)) is not None:
        patience = None
        if isinstance(event, BaseException):
            raise _failure(str(getattr(event, "explanation", None) or event))
        if "error" in event:
            raise _failure(str(event["error"]))
        if report is not None and _note(layers, event):
            report(f"{sum(layers.values())} of {len(layers)} layers of {reference}")


def _stream(client: docker.DockerClient, reference: str, events: queue.SimpleQueue[Any]) -> None:
    try:
        name, tag = _name_and_tag(reference)
        login = credentials(name)
        for event in client.api.pull(name, tag, stream=True, decode=True, auth_config=login):
            events.put(event)
    except Exception as error:  # noqa: BLE001 - handed to the caller's thread
        events.put(error)
    else:
        events.put(None)


def _next(
    events: queue.SimpleQueue[Mapping[str, Any] | BaseException | None], patience: float | None
) -> Mapping[str, Any] | BaseException | None:
    try:
        return events.get(timeout=patience)
    except queue.Empty:
        raise PullFailed(f"no answer within {patience:g} s", reachable=False) from None


def _name_and_tag(reference: str) -> tuple[str, str]:
    """Split a reference; without a tag or digest it means `latest`, never every tag."""
    from docker.utils import parse_repository_tag

    name, tag = parse_repository_tag(reference)
    return name, tag or "latest"


def credentials(name: str) -> dict[str, Any] | None:
    """Return what DOCKER_AUTH_CONFIG has for the registry of an image, as docker-py takes it.

    The variable holds what config.json does, and goes before it (GitLab manual, private images).
    None where it is not set or has nothing for that registry. Raises ValueError, docker's errors.
    """
    from docker import auth

    if not (text := os.environ.get("DOCKER_AUTH_CONFIG")):
        return None
    try:
        found = auth.load_config(config_dict=dict(json.loads(text)))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"DOCKER_AUTH_CONFIG cannot be read: {error}") from None
    registry, _path = auth.resolve_repository_name(name)
    return found.resolve_authconfig(registry) or None


def _failure(message: str) -> PullFailed:
    text = message.lower()
    unreachable = any(phrase in text for phrase in _UNREACHABLE)
    answered = any(phrase in text for phrase in _ANSWERED)
    return PullFailed(message, reachable=answered and not unreachable)


def _note(layers: dict[str, bool], event: Mapping[str, Any]) -> bool:
    """Enter a layer's state into `layers`; tell whether one more is complete."""
    layer, status = event.get("id"), event.get("status")
    if not layer or str(status).startswith("Pulling from"):
        return False
    complete = status in ("Pull complete", "Already exists")
    news = complete and not layers.get(layer)
    layers[layer] = layers.get(layer, False) or complete
    return news
