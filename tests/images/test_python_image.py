"""The Python image's contract: what is where, pip, certificates, encodings, signals."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import pytest

from tests.images.conftest import Box

Run = Callable[..., Box]
WHEEL = "/tmp/demo-1.0-py3-none-any.whl"
ABOUT = """
import json, os, platform, shutil, site, ssl, sys, sysconfig, zoneinfo
print(json.dumps({
    "version": platform.python_version() == os.environ["PYTHON_VERSION"],
    "minor": sys.version_info[:2],
    "prefix": sys.prefix,
    "packages": sysconfig.get_path("purelib"),
    "commands": [shutil.which(name) for name in ("python", "python3", "pip", "pip3")],
    "encodings": [sys.stdout.encoding, sys.getfilesystemencoding()],
    "authorities": ssl.create_default_context().cert_store_stats()["x509_ca"] > 50,
    "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
}))
"""
APP = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("\\u00fcber"))
print("up", flush=True)
while True:
    signal.pause()
"""
# An index of packages whose certificate is signed by an authority that only /tmp/ca.pem names: what
# pip sees behind a proxy that opens TLS.
AUTHORITY = """
cd /tmp
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ours \
    -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout key.pem -out request.pem
printf subjectAltName=DNS:localhost >names
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 2 -extfile names -out cert.pem
mkdir -p index/demo && cp demo-1.0-py3-none-any.whl index/demo/
"""
INDEX = """
import functools, http.server, ssl
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/tmp/index")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/cert.pem", "/tmp/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("serving", flush=True)
server.serve_forever()
"""
DOWNLOAD = "pip download --no-cache-dir --retries 0 -d /tmp/got -i https://localhost:8443 demo"


def wheel() -> bytes:
    """Return a package with one command, `demo`."""
    about = "demo-1.0.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("demo.py", "def main(): print(__file__)\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/entry_points.txt", "[console_scripts]\ndemo = demo:main\n")
        archive.writestr(f"{about}/RECORD", "")
    return buffer.getvalue()


@pytest.fixture
def box(run: Run) -> Box:
    """A container that waits, with the wheel in it."""
    box = run("python", ["sleep", "300"], init=True)
    box.put(WHEEL, wheel(), 0o644)
    return box


def test_the_interpreter_is_the_images_own(run: Run) -> None:
    box = run("python", ["python", "-c", ABOUT])

    assert box.exit_code() == 0, box.logs()
    assert json.loads(box.logs()) == {
        "version": True,
        "minor": [3, 13],
        "prefix": "/usr/local",
        "packages": "/usr/local/lib/python3.13/site-packages",
        "commands": [f"/usr/local/bin/{name}" for name in ("python", "python3", "pip", "pip3")],
        "encodings": ["utf-8", "utf-8"],
        "authorities": True,
        "zone": "Europe/Berlin",
    }


@pytest.mark.slow
def test_it_is_the_first_process_and_ends_when_it_is_told_to(run: Run) -> None:
    box = run("python", ["python", "-c", APP])
    box.wait_for_log("up")

    assert box.terminate() == 1
    assert "über" in box.logs()


@pytest.mark.slow
def test_pip_installs_into_the_image(box: Box) -> None:
    """Nothing is managed by somebody else: it asks for no option and for no environment."""
    box.sh(f"pip install --no-index {WHEEL}")
    assert box.sh("demo") == "/usr/local/lib/python3.13/site-packages/demo.py"
    assert box.sh("command -v demo") == "/usr/local/bin/demo"
    box.sh("for each in $(which -a python3); do $each -c 'import demo' || exit 1; done")

    box.sh("pip uninstall -y demo")
    box.sh("! command -v demo && ! python -c 'import demo' 2>/dev/null")


@pytest.mark.slow
def test_pip_installs_for_a_user_alone(box: Box) -> None:
    """As the first stage of many a Dockerfile does, to copy it into the second."""
    box.sh(f"pip install --user --no-index {WHEEL}")

    assert box.sh("/root/.local/bin/demo") == "/root/.local/lib/python3.13/site-packages/demo.py"


@pytest.mark.slow
def test_pip_can_be_replaced_by_another_pip(box: Box) -> None:
    """`pip install --upgrade pip` begins by removing the one that is there."""
    box.sh("pip uninstall -y pip || test ! -e /usr/local/bin/pip")

    box.sh("test ! -e /usr/local/bin/pip && ! python -m pip --version 2>/dev/null")


@pytest.mark.slow
def test_environments_of_ones_own(box: Box) -> None:
    box.sh(f"python -m venv /opt/app && /opt/app/bin/pip install --no-index {WHEEL}")

    assert box.sh("/opt/app/bin/demo") == "/opt/app/lib/python3.13/site-packages/demo.py"
    box.sh("! python -c 'import demo' 2>/dev/null")


@pytest.mark.slow
def test_pip_trusts_the_authority_that_it_is_told_of(box: Box) -> None:
    box.sh(AUTHORITY)
    box.put("/tmp/index.py", INDEX, 0o644)
    box.container.exec_run(["sh", "-c", "exec python /tmp/index.py >/tmp/served 2>&1"], detach=True)
    box.sh("timeout 20 sh -c 'until grep -q serving /tmp/served; do sleep 0.1; done'")

    assert "CERTIFICATE_VERIFY_FAILED" in box.sh(f"! {DOWNLOAD} 2>&1")
    for variable in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        box.sh(f"rm -rf /tmp/got; {variable}=/tmp/ca.pem {DOWNLOAD}")
        assert box.sh("ls /tmp/got") == "demo-1.0-py3-none-any.whl"


@pytest.mark.slow
def test_another_user_will_do(run: Run) -> None:
    box = run("python", ["python", "-c", "import os; print(os.getuid())"], user="4711:4711")

    assert box.exit_code() == 0
    assert box.logs() == "4711\n"
