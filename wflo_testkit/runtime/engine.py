"""The few requests to the daemon that cannot wait for Docker's library.

Over a local socket they are plain HTTP (Docker Engine API, containers), some milliseconds each;
loading docker-py alone takes longer than attaching to a kept server may, and as long as Ryuk's
start. Other daemons are asked by docker-py.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from operator import methodcaller
from typing import Any
from urllib.parse import quote

from wflo_testkit.model import Json
from wflo_testkit.runtime.address import Endpoint, resolve

TIMEOUT = 10.0
"""Seconds for one answer: a daemon that is starting other containers may be slow."""
CHANGE_TIMEOUT = 60.0
"""The same where it has something to do: as long as docker-py is given."""
_JSON = {"Content-Type": "application/json"}


class Refused(ConnectionError):
    """The daemon's answer is an error. status: of HTTP; explanation: its own words."""

    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status = status
        self.explanation = explanation


class Engine:
    """Looks at containers, starts and removes them. Safe to use from several threads.

    endpoint: the daemon, by default the one that `resolve` finds. api: docker-py's low-level
    client, for one that is not at a local socket; without it, that one is connected to anew for
    each request. Raises SettingError.
    """

    def __init__(self, endpoint: Endpoint | None = None, *, api: Any = None) -> None:
        self.endpoint = endpoint or resolve()
        self._api = api

    @property
    def address(self) -> str:
        """The daemon's address, as in DOCKER_HOST."""
        return self.endpoint.url

    def container(self, name: str) -> Mapping[str, Json] | None:
        """Return what the daemon says of a container (name or id); None if it knows none."""
        return self._get("containers", name, "inspect_container")

    def containers(self, label: str) -> list[dict[str, Json]]:
        """Return every container, stopped ones too, that carries `label` (key=value).

        Keys of each: Id, Names, Labels, State and more.
        """
        filters = {"label": [label]}
        path = f"/containers/json?all=1&filters={quote(json.dumps(filters))}"
        elsewhere = methodcaller("containers", all=True, filters=filters)
        return list(self._demand("GET", path, elsewhere, timeout=TIMEOUT))

    def image(self, reference: str) -> Mapping[str, Json] | None:
        """Return what the daemon says of an image; None if it is not there."""
        return self._get("images", reference, "inspect_image")

    def image_id(self, reference: str) -> str:
        """Return the content id of an image, "" if it is not there."""
        found = self.image(reference)
        return str(found["Id"]) if found else ""

    def has_network(self, name: str) -> bool:
        return self._get("networks", name, "inspect_network") is not None

    def create(self, name: str, config: Mapping[str, Json]) -> str:
        """Create a container (Engine API, ContainerCreate) and return its id. Raises OSError."""
        elsewhere = methodcaller("create_container_from_config", dict(config), name)
        path = f"/containers/create?name={quote(name)}"
        return str(self._demand("POST", path, elsewhere, config)["Id"])

    def start(self, container_id: str) -> None:
        """Start a container. Raises OSError, Refused with what the daemon says among them."""
        path = f"/containers/{quote(container_id)}/start"
        self._demand("POST", path, methodcaller("start", container_id))

    def remove(self, container_id: str) -> bool:
        """Remove a container with its volumes; False while it is going already. Raises OSError."""
        elsewhere = methodcaller("remove_container", container_id, v=True, force=True)
        try:
            self._demand("DELETE", f"/containers/{quote(container_id)}?force=1&v=1", elsewhere)
        except Refused as error:
            if error.status not in (404, 409):
                raise
            return error.status == 404
        return True

    def knock(self) -> None:
        """Open and close the local socket. Raises OSError if nobody listens there."""
        with closing(self._local(TIMEOUT)) as connection:
            connection.connect()

    def _get(self, kind: str, name: str, method: str) -> dict[str, Json] | None:
        path = f"/{kind}/{quote(name)}" + ("" if kind == "networks" else "/json")
        try:
            return dict(self._demand("GET", path, methodcaller(method, name), timeout=TIMEOUT))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _demand(
        self,
        method: str,
        path: str,
        elsewhere: Callable[[Any], Any],
        body: Mapping[str, Json] | None = None,
        *,
        timeout: float = CHANGE_TIMEOUT,
    ) -> Any:
        """Return what the daemon answers, None if that is nothing. Raises Refused, OSError.

        elsewhere: asks the same of docker-py's low-level client, for one at no local socket.
        """
        if not self.endpoint.is_unix:
            return self._of_docker_py(elsewhere)
        text, headers = (json.dumps(body), _JSON) if body is not None else (None, {})
        with closing(self._local(timeout)) as connection:
            try:
                connection.request(method, path, text, headers)
                response = connection.getresponse()
                status, answer = response.status, response.read()
            except http.client.HTTPException as error:
                raise ConnectionError(f"the daemon's answer was cut short: {error!r}") from None
        if status >= 400:
            raise Refused(status, _explanation(answer) or f"the daemon answered {status} to {path}")
        return json.loads(answer) if answer else None

    def _local(self, timeout: float) -> _Local:
        return _Local(self.address.removeprefix("unix://"), timeout)

    def _of_docker_py(self, ask: Callable[[Any], Any]) -> Any:
        """Return what `ask`, given docker-py's client, does. Raises Refused for its APIError."""
        from docker.errors import APIError, NotFound

        from wflo_testkit.runtime import daemon

        client = None if self._api is not None else daemon.connect(self.endpoint).client
        try:
            return ask(self._api if client is None else client.api)
        except NotFound as error:
            raise Refused(404, str(error.explanation)) from error
        except APIError as error:
            raise Refused(error.status_code or 500, str(error.explanation or error)) from None
        finally:
            if client is not None:
                client.close()


class _Local(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the daemon's local socket. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


def _explanation(answer: bytes) -> str:
    """Return the daemon's own words (Docker Engine API, ErrorResponse), "" if there are none."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
