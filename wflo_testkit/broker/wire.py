"""Requests and answers as JSON lines: {"do": verb, ...}, then {"ok": value} or {"error": ...}."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BufferedRWPair

from wflo_testkit import errors
from wflo_testkit.broker.api import Ask, Broker
from wflo_testkit.model import Build, Grant, Json, Spec


def send(stream: BufferedRWPair, message: Mapping[str, Json]) -> None:
    """Write one message."""
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def receive(stream: BufferedRWPair) -> dict[str, Json] | None:
    """Read one message; None when the other side has closed."""
    line = stream.readline()
    return dict(json.loads(line)) if line.endswith(b"\n") else None


def answer(broker: Broker, request: Mapping[str, Json]) -> dict[str, Json]:
    """Carry `request` out; every exception becomes an answer, since the asker is far away."""
    try:
        return {"ok": _VERBS[request["do"]](broker, request)}
    except Exception as error:  # noqa: BLE001 - sent to the asker, who raises it
        return {"error": errors.to_json(error)}


def granted(value: Mapping[str, Json]) -> Grant | Build:
    """Turn the answer to "lease" back into what the broker returned."""
    if "token" in value:
        return Build(token=value["token"], data=value["data"])
    return Grant(id=value["id"], data=value["data"])


def _server(broker: Broker, request: Mapping[str, Json]) -> Json:
    return broker.server(Spec.from_json(request["spec"])).to_json()


def _lease(broker: Broker, request: Mapping[str, Json]) -> Json:
    got = broker.lease(Ask(**request["ask"]))
    if isinstance(got, Build):
        return {"token": got.token, "data": dict(got.data)}
    return {"id": got.id, "data": dict(got.data)}


_VERBS: dict[str, Callable[[Broker, Mapping[str, Json]], Json]] = {
    "server": _server,
    "prefetch": lambda broker, r: broker.prefetch(Spec.from_json(r["spec"])),
    "discard": lambda broker, r: broker.discard(r["key"]),
    "logs": lambda broker, r: broker.logs(r["key"], r["since"]),
    "network": lambda broker, r: broker.network(r["key"]),
    "lease": _lease,
    "withdraw": lambda broker, r: broker.withdraw(r["number"]),
    "built": lambda broker, r: broker.built(r["token"], r["error"]),
    "call": lambda broker, r: broker.call(r["lease_id"], r["verb"], r["args"]),
    "release": lambda broker, r: broker.release(r["lease_id"], r["keep"]),
    "summary": lambda broker, _: broker.summary(),
}
