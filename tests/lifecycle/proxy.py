"""A way to the Docker daemon that can be cut, and that tells who took it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Proxy:
    """Forwards connections to the daemon's Unix socket until it is cut.

    path: the socket on which it takes them; without one it takes them over TCP on 127.0.0.1.
    heads: what each connection began with, its first request and headers.
    """

    def __init__(self, target: str = "/var/run/docker.sock", path: str = "") -> None:
        self._target = target
        self._path = path
        self.heads: list[bytes] = []
        self._port = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.mend()

    @property
    def address(self) -> str:
        return f"unix://{self._path}" if self._path else f"tcp://127.0.0.1:{self._port}"

    def mend(self) -> None:
        """Accept connections (again), on the same port."""
        if self._path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self._path)
            self._listener.listen(100)
        else:
            self._listener = socket.create_server(("127.0.0.1", self._port), reuse_port=True)
            self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse connections, and break those that are open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far, contextlib.suppress(OSError):
            far.connect(self._target)
            with self._lock:
                self._open |= {near, far}
            try:
                self._pump(near, far)
            finally:
                with self._lock:
                    self._open -= {near, far}

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        self.heads.append(first := near.recv(65536))
        far.sendall(first)
        while first:
            ready, _, _ = select.select([near, far], [], [])
            for source in ready:
                if not (data := source.recv(65536)):
                    return
                (far if source is near else near).sendall(data)
