"""A daemon that asks who is there and proves who it is (Docker manual, protect the socket)."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.proxy import Proxy
from tests.runtime.contexts import make_context
from wflo_testkit.errors import DockerUnavailable
from wflo_testkit.runtime import daemon
from wflo_testkit.runtime.address import resolve

OPENSSL = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "1",
]


class SecureProxy(Proxy):
    """The same over TLS, for clients that show the certificate in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self._tls.load_verify_locations(folder / "ca.pem")
        self._tls.verify_mode = ssl.CERT_REQUIRED
        super().__init__()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        near.settimeout(10)
        try:
            secure = self._tls.wrap_socket(near, server_side=True)
        except OSError:  # the other side thinks nothing of our certificate, or has none
            return
        with secure:
            secure.settimeout(None)
            threading.Thread(target=copy, args=(far, secure), daemon=True).start()
            copy(secure, far)


def copy(source: socket.socket, target: socket.socket) -> None:
    """Forward in one direction until its end."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


def make_certificates(folder: Path) -> Path:
    """Write a key and a certificate that signs itself, for both sides."""
    folder.mkdir(parents=True)
    names = ["-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*OPENSSL, *names, *files], check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())
    return folder


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOST", "CONTEXT", "TLS_VERIFY", "CERT_PATH"):
        monkeypatch.delenv(f"DOCKER_{name}", raising=False)
    return make_certificates(tmp_path / "certificates")


@pytest.fixture
def way(certificates: Path) -> Iterator[SecureProxy]:
    way = SecureProxy(certificates)
    yield way
    way.cut()


def test_a_contexts_certificates_open_its_daemon(
    way: SecureProxy, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = make_context(tmp_path, "secure", way.address, SkipTLSVerify=False)
    place = tmp_path / "contexts/tls" / meta.parent.name
    place.mkdir(parents=True)
    certificates.rename(place / "docker")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "secure")

    assert answers()


def test_those_of_docker_cert_path_do(
    way: SecureProxy, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", way.address)
    monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert answers()

    strange = make_certificates(certificates.parent / "strange")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(strange))
    with pytest.raises(DockerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        answers()


def answers() -> bool:
    client = daemon.connect(resolve()).client
    try:
        return bool(client.ping())
    finally:
        client.close()
