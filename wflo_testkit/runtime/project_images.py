"""Images that a project builds for its tests: by content, so that each content is built once."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import ImageUnavailable
from wflo_testkit.model import Json, Spec
from wflo_testkit.runtime import images, inputs, labels

if TYPE_CHECKING:
    import docker

LAYOUT = "1"
"""Of what is built here: another one makes every image anew."""
KIND = "build"
PLACE = "dev.wflo.testkit.dockerfile"
"""Label of a built image: the Dockerfile, and its target."""
LINES = 25
"""Last lines of a build that has failed."""
CERTIFICATES = "wflo-testkit-ca.pem"
"""The host's certificates, below /tmp of an image that is built."""
CERTIFICATES_OF = "wflo-testkit/certificates"
"""The repository of images that hold nothing but certificates: the context stays the project's."""
KEPT = 3
"""Images of one Dockerfile that stay: the newest."""
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "ftp_proxy", "all_proxy")
_CERTIFICATE_VARIABLES = (
    "PIP_CERT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
_FROM = re.compile(
    r"^\s*FROM\s+(?:--platform=\S+\s+)?(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?\s*$", re.IGNORECASE
)


log = logging.getLogger("wflo_testkit.broker.progress")


def built(client: docker.DockerClient, spec: Spec, *, policy: str = "auto") -> Spec:
    """Return `spec` with the image of its `build`, which is built if this content never was.

    Several servers may have one image. policy: see images.resolve.
    Raises ImageUnavailable with the last lines of a build that fails, OSError.
    """
    context = _Context(client, spec.build, policy)
    tag = f"{images.BUILT}:{context.digest[:24]}"
    with _building[tag]:
        if images.inspect(client, tag) is None:
            context.bring_certificates(client)
            _follow(spec, context, _send(client, context, tag))
            _tidy(client, context.place)
    return dataclasses.replace(spec, image=tag, build={})


class _Locks(dict[str, threading.Lock]):
    """One for each image: another server of this run may be building the same."""

    def __missing__(self, tag: str) -> threading.Lock:
        return self.setdefault(tag, threading.Lock())


_building = _Locks()


class _Context:
    """What the daemon is sent, and its hash.

    The Dockerfile's `FROM` lines name the local stand-ins of images that are not here; certificates
    are added where this host names its own, as companies with a proxy that reads traffic do.
    """

    def __init__(self, client: docker.DockerClient, build: Mapping[str, Json], policy: str) -> None:
        self.folder = Path(build["context"])
        self.target = str(build["target"]) or None
        self.arguments = {**_proxies(), **build["args"]}
        self.dockerfile = str(build["dockerfile"])
        self.place = f"{self.folder / self.dockerfile} {self.target or ''}".strip()
        self._certificates = "\n".join(inputs.named_certificates()).encode()
        self._bundle = ""
        if self._certificates:
            digest = hashlib.sha256(self._certificates).hexdigest()
            self._bundle = f"{CERTIFICATES_OF}:{digest[:24]}"
        self._files = dict(_files(self.folder, self.dockerfile))
        text = self._files[self.dockerfile][0].decode()
        bases: list[str] = []
        self._text = "\n".join(_rewritten(text, client, policy, self._bundle, bases))
        self.digest = self._digest(bases)

    def archive(self) -> bytes:
        """Return the tar; times and owners are the same on every host, so that layers are found."""
        import tarfile

        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            files = {**self._files, self.dockerfile: (self._text.encode(), 0o644)}
            for name, (content, mode) in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), mode
                tar.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def bring_certificates(self, client: docker.DockerClient) -> None:
        """Make the image from which each stage takes the certificates. Raises docker's errors."""
        if self._bundle and images.inspect(client, self._bundle) is None:
            repository, _, tag = self._bundle.partition(":")
            client.api.import_image_from_data(
                inputs.archive({CERTIFICATES: self._certificates}),
                repository=repository,
                tag=tag,
                changes=[f"LABEL {labels.KIT}={KIND}"],
            )

    def _digest(self, bases: list[str]) -> str:
        """Return a hash of all that decides the content; proxy and certificates only bring it."""
        own = {key: text for key, text in self.arguments.items() if key not in _proxies()}
        hasher = hashlib.sha256(
            json.dumps([LAYOUT, self.dockerfile, self.target, own, bases]).encode()
        )
        for name, (content, mode) in sorted(self._files.items()):
            facts = [name, mode, hashlib.sha256(content).hexdigest()]
            hasher.update(json.dumps(facts).encode())
        return hasher.hexdigest()


def _files(folder: Path, dockerfile: str) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Yield name -> content and mode of what `.dockerignore` leaves."""
    from docker.utils import exclude_paths

    ignore = folder / ".dockerignore"
    patterns = ignore.read_text().splitlines() if ignore.is_file() else []
    for name in sorted(exclude_paths(str(folder), patterns, dockerfile=dockerfile)):
        path = folder / name
        if path.is_file():
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            yield Path(name).as_posix(), (path.read_bytes(), mode)


def _rewritten(
    text: str, client: docker.DockerClient, policy: str, bundle: str, bases: list[str]
) -> Iterator[str]:
    """Yield the lines of a Dockerfile.

    bundle: an image with certificates, "" for none. bases: is told the id of each image that the
    Dockerfile begins from.
    """
    stages: set[str] = set()
    for line in text.splitlines():
        found = _FROM.match(line)
        if found is None:
            yield line
            continue
        image = found["image"]
        if image.lower() not in stages and "$" not in image and image != "scratch":
            here = images.present(
                lambda reference: images.inspect(client, reference), image, policy=policy
            )
            if here is not None:
                line = line.replace(image, here.reference, 1)
            bases.append(here.id if here is not None else image)
        stages.add((found["stage"] or "").lower())
        yield line
        if bundle and image != "scratch":
            yield f"COPY --from={bundle} /{CERTIFICATES} /tmp/{CERTIFICATES}"
            yield from (f"ARG {name}=/tmp/{CERTIFICATES}" for name in _CERTIFICATE_VARIABLES)


def _proxies() -> dict[str, str]:
    """Return this host's proxies, which every build may use unasked (Dockerfile reference, ARG)."""
    names = (*_PROXIES, *map(str.upper, _PROXIES))
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _send(client: docker.DockerClient, context: _Context, tag: str) -> Iterable[Mapping[str, Any]]:
    events: Iterable[Mapping[str, Any]] = client.api.build(
        fileobj=io.BytesIO(context.archive()),
        custom_context=True,
        dockerfile=context.dockerfile,
        tag=tag,
        buildargs=context.arguments,
        target=context.target,
        labels={labels.KIT: KIND, PLACE: context.place},
        network_mode="host",  # a name server and a proxy may listen on loopback
        rm=True,
        forcerm=True,
        decode=True,
    )
    return events


def _follow(spec: Spec, context: _Context, events: Iterable[Mapping[str, Any]]) -> None:
    """Log each step; raise ImageUnavailable with the last lines when one fails."""
    from docker.errors import APIError

    tail: deque[str] = deque(maxlen=LINES)
    try:
        for event in events:
            if "error" in event:
                raise _failed(spec, context, "\n".join([*tail, str(event["error"])]))
            text = str(event.get("stream", "")).rstrip()
            tail.extend(text.splitlines())
            if text.startswith("Step ") and CERTIFICATES not in text:
                log.info("%s: build: %s", spec.name, text[:100])
    except APIError as error:
        raise _failed(spec, context, str(error.explanation or error)) from None


def _failed(spec: Spec, context: _Context, said: str) -> ImageUnavailable:
    fix = "correct the Dockerfile, or check that the package registries are reachable"
    if "buildkit" in said.lower():
        fix = "build it with `docker buildx build --load -t NAME`, and give it as `image`"
    return ImageUnavailable(
        f"the image of {spec.name} could not be built",
        cause=said,
        looked_at=str(context.folder / context.dockerfile),
        fix=fix,
    )


def _tidy(client: docker.DockerClient, place: str) -> None:
    """Remove older images of one Dockerfile; what a container uses resists, and stays."""
    from docker.errors import APIError

    marks = [f"{labels.KIT}={KIND}", f"{PLACE}={place}"]
    found = client.api.images(filters={"label": marks})
    for each in sorted(found, key=lambda each: -int(each["Created"]))[KEPT:]:
        for tag in each["RepoTags"] or []:
            try:
                client.api.remove_image(tag)
            except APIError:
                continue
