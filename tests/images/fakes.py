"""A daemon that only knows images. It stands in for docker-py's client where no image is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docker.errors import APIError, ImageNotFound

NO_HOST = "lookup registry on 127.0.0.53:53: no such host"


class FakeApi:
    """The calls of docker-py's low-level client that the kit uses for images.

    here: image name -> labels. published: what a registry has. registry: False for one that does
    not answer. calls: every call made, in order. arguments: those of each build.
    """

    def __init__(
        self, here: dict[str, dict[str, str]], published: set[str], registry: bool
    ) -> None:
        self.here = here
        self.published = published
        self.registry = registry
        self.calls: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.arguments: list[dict[str, str]] = []

    def inspect_image(self, name: str) -> dict[str, Any]:
        self.calls.append(("inspect", name))
        if name not in self.here:
            raise ImageNotFound(f"No such image: {name}")
        return {"Id": f"sha256:{name}", "Config": {"Labels": self.here[name]}}

    def pull(
        self, name: str, tag: str, *, stream: bool, decode: bool, auth_config: object
    ) -> Iterator[dict[str, str]]:
        assert stream
        assert decode
        reference = f"{name}:{tag}"
        self.calls.append(("pull", reference))
        if not self.registry:
            raise APIError("500 Server Error", explanation=NO_HOST)
        if reference not in self.published:
            yield {"error": f"manifest for {reference} not found: manifest unknown"}
            return
        yield {"status": f"Pulling from {name}", "id": tag}
        yield {"status": "Pulling fs layer", "id": "a1"}
        yield {"status": "Downloading", "id": "a1"}
        yield {"status": "Pull complete", "id": "a1"}
        self.here[reference] = {}

    def build(
        self, *, tag: str, labels: dict[str, str], buildargs: dict[str, str], **_: Any
    ) -> Iterator[dict[str, str]]:
        self.calls.append(("build", tag))
        self.arguments.append(buildargs)
        yield {"stream": "Step 1/1 : FROM scratch\n"}
        yield {"stream": "some output\n"}
        if tag in self.failing:
            yield {"error": "returned a non-zero code: 100"}
            return
        self.here[tag] = labels

    def made(self, what: str) -> list[str]:
        """The images of all calls of one kind."""
        return [image for call, image in self.calls if call == what]


class FakeDocker:
    """A client with nothing but `api`."""

    def __init__(
        self,
        here: dict[str, dict[str, str]] | None = None,
        published: set[str] | None = None,
        *,
        registry: bool = False,
    ) -> None:
        self.api = FakeApi(dict(here or {}), set(published or ()), registry)
