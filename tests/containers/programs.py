"""What runs in the containers of these tests: small programs of the Python image."""

from __future__ import annotations

from typing import Any

PYTHON = "python:3.13-slim"
_BEGIN = """
import http.server, os, signal, socket, sys, threading, time
# The first process of a container ignores SIGTERM otherwise.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
def may_go():
    return os.path.exists("/go")
def wait_to_go():
    while not may_go():
        time.sleep(0.02)
def serve(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = answer(self.path)
            self.send_response(status); self.end_headers(); self.wfile.write(text.encode())
        def log_message(self, text, *given):
            pass
    http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
print("the process is up")
"""


def python(program: str) -> dict[str, Any]:
    """Return the words of a container that runs a program; `_BEGIN` comes before it."""
    return {"image": PYTHON, "command": ["python", "-u", "-c", _BEGIN + program]}


REST = "threading.Event().wait()"
WEB = "serve(lambda path: (200, os.uname().nodename))"
"""Answers each GET at port 8000 with the container's host name."""
GATED_WEB = """
serve(lambda path: (200, "yes") if may_go() and path == "/health" else (503, "still warming up"))
"""
GATED_PORT = """
wait_to_go()
listener = socket.create_server(("", 8000))
threading.Event().wait()
"""
GATED_LINE = """
wait_to_go()
print("listening on port 8000")
threading.Event().wait()
"""
GATED_END = "wait_to_go()"
GRPC = """
def frame(kind, flags, stream, payload=b""):
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload
def exactly(link, size):
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
def header(name, value):
    return b"\\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
BEGIN = b"\\x88" + header(b"content-type", b"application/grpc")
def status(number):
    return header(b"grpc-status", str(number).encode())
def answer(link):
    exactly(link, 24)
    link.sendall(frame(4, 0, 0))
    while True:
        head = exactly(link, 9)
        payload = exactly(link, int.from_bytes(head[:3], "big"))
        if head[3] == 0 and head[4] & 1:
            break
    how = reply(payload[5:])
    if isinstance(how, int):
        link.sendall(frame(1, 5, 1, BEGIN + status(how)))
    else:
        body = b"\\0" + len(how).to_bytes(4, "big") + how
        link.sendall(frame(1, 4, 1, BEGIN) + frame(0, 0, 1, body) + frame(1, 5, 1, status(0)))
    link.recv(100)
with socket.create_server(("", 8000)) as server:
    while True:
        link, _ = server.accept()
        with link:
            try:
                answer(link)
            except (EOFError, OSError):
                pass
"""
"""A gRPC server (HTTP/2, RFC 9113) of which `reply` answers: bytes of a message, or a status."""
SERVING, NOT_SERVING = 'b"\\x08\\x01"', 'b"\\x08\\x02"'
"""HealthCheckResponse (grpc/health/v1/health.proto)."""


def grpc(reply: str) -> str:
    """Return a program that answers each call with an expression of `message`."""
    return f"reply = lambda message: {reply}\n{GRPC}"
