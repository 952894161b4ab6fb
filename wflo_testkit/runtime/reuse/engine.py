"""The few questions to the daemon that attaching needs, without Docker's library where possible.

Over a local socket they are plain HTTP (Docker Engine API, containers), some milliseconds each;
loading docker-py alone takes longer than attaching may. Other daemons are asked by docker-py.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wflo_testkit.model import Json
from wflo_testkit.runtime.address import daemon_address, published_host

TIMEOUT = 10.0
"""Seconds for one answer: a daemon that is starting other containers may be slow."""


class Engine:
    """Looks at containers and removes them. Safe to use from several threads."""

    def __init__(self, address: str = "") -> None:
        self.address = address or daemon_address()
        self.host = published_host(self.address)

    def container(self, name: str) -> Mapping[str, Json] | None:
        """Return what the daemon says of a container (name or id); None if it knows none."""
        return self._get("containers", name, "inspect_container")

    def containers(self, label: str) -> list[dict[str, Json]]:
        """Return every container, stopped ones too, that carries `label` (key=value).

        Keys of each: Id, Names, Labels, State and more.
        """
        if not self._is_local:
            with _Elsewhere() as api:
                return list(api.containers(all=True, filters={"label": label}))
        filters = quote(json.dumps({"label": [label]}))
        status, body = self._ask("GET", f"/containers/json?all=1&filters={filters}")
        if status != 200:
            raise ConnectionError(f"the daemon answered {status} to a list of containers")
        return list(json.loads(body))

    def image_id(self, reference: str) -> str:
        """Return the content id of an image, "" if it is not there."""
        found = self._get("images", reference, "inspect_image")
        return str(found["Id"]) if found else ""

    def has_network(self, name: str) -> bool:
        return self._get("networks", name, "inspect_network") is not None

    def remove(self, container_id: str) -> None:
        """Remove a container with its volumes; gone, or going, already is fine. Raises OSError."""
        if not self._is_local:
            return self._remove_elsewhere(container_id)
        path = f"/containers/{quote(container_id)}?force=1&v=1"
        status, _body = self._ask("DELETE", path)
        if status not in (204, 404, 409):
            raise ConnectionError(f"the daemon answered {status} to the removal of {container_id}")
        return None

    @property
    def _is_local(self) -> bool:
        return self.address.startswith("unix://")

    def _get(self, kind: str, name: str, method: str) -> dict[str, Json] | None:
        if not self._is_local:
            return self._get_elsewhere(name, method)
        path = f"/{kind}/{quote(name)}" + ("" if kind == "networks" else "/json")
        status, body = self._ask("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise ConnectionError(f"the daemon answered {status} to {path}")
        return dict(json.loads(body))

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = _Local(self.address.removeprefix("unix://"))
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"the daemon's answer was cut short: {error!r}") from None
        finally:
            connection.close()

    def _get_elsewhere(self, name: str, method: str) -> dict[str, Json] | None:
        from docker.errors import NotFound

        with _Elsewhere() as api:
            try:
                return dict(getattr(api, method)(name))
            except NotFound:
                return None

    def _remove_elsewhere(self, container_id: str) -> None:
        from docker.errors import APIError

        with _Elsewhere() as api:
            try:
                api.remove_container(container_id, v=True, force=True)
            except APIError as error:
                if error.status_code not in (404, 409):
                    raise ConnectionError(str(error)) from None


class _Local(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the daemon's local socket. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _Elsewhere:
    """docker-py's low-level client for one question."""

    def __enter__(self) -> Any:
        from wflo_testkit.runtime import daemon

        self._client = daemon.connect().client
        return self._client.api

    def __exit__(self, *_error: object) -> None:
        self._client.close()
