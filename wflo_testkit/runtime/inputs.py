"""What an image is built from: its inputs' hash, and the build context sent to the daemon."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wflo_testkit import catalog

LABEL = "dev.wflo.testkit.inputs"
"""Label of a built image: the hash of what it was built from. Containers inherit it."""

BYTES = "surrogateescape"
"""How bytes that are no UTF-8 are in a text."""

# Where a host keeps the certificates that it trusts; a variable set for other tools goes first.
_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", flags=re.DOTALL
)


def digest(entry: catalog.ImageEntry) -> str:
    """Return the hash of everything that decides the content of `entry`'s stand-in.

    Files, build arguments, and the same of every entry that it needs. The host's certificates
    are not part of it: they serve the download only.
    """
    hasher = hashlib.sha256(json.dumps([entry.local, dict(entry.args)]).encode())
    for name, content in files(entry.context):
        hasher.update(json.dumps([name, hashlib.sha256(content).hexdigest()]).encode())
    for need in entry.needs:
        hasher.update(digest(catalog.entries()[need]).encode())
    return hasher.hexdigest()


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name (relative, with slashes) and content of each file, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def context(entry: catalog.ImageEntry) -> bytes:
    """Return the build context as a tar archive.

    The folder's files, and under ca/ the certificates that this host trusts: bundle.pem with all
    of them, and each in a .crt file of its own, as Java's tools want them. Names, times and modes
    are the same on every host, so that the daemon's layer cache works.
    """
    return archive(dict((*files(entry.context), *_certificate_files())))


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """Pack path -> content as a tar of files that any user may read and run."""
    import tarfile  # only for what is built or started: a run that finds its servers has no need

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, given in files.items():
            content = given.encode(errors=BYTES) if isinstance(given, str) else given
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def host_certificates() -> list[str]:
    """Return the certificates that this host trusts, in PEM form; empty if none are found."""
    return named_certificates() or _certificates(_BUNDLES)


def named_certificates() -> list[str]:
    """Return those of a bundle that a variable names: this host trusts more than others do."""
    return _certificates(os.environ.get(variable, "") for variable in _BUNDLE_VARIABLES)


def _certificates(bundles: Iterable[str]) -> list[str]:
    for candidate in bundles:
        if candidate and Path(candidate).is_file():
            return _CERTIFICATE.findall(Path(candidate).read_text(errors="replace"))
    return []


def _certificate_files() -> Iterator[tuple[str, bytes]]:
    certificates = [f"{text}\n".encode() for text in host_certificates()]
    yield "ca/bundle.pem", b"".join(certificates)
    for certificate in certificates:
        yield f"ca/{hashlib.sha256(certificate).hexdigest()[:16]}.crt", certificate
