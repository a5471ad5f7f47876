"""A proxy between client and server that does to streams what the world's proxies do to them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

CHUNK = 2**16


class FaultyProxy:
    """Passes bytes on. Streams suffer from its `mode`: "pass", "freeze" (silence), or "cut" (the end).

    A proxy that buffers is one that is frozen from the first byte. Other requests always pass.
    """

    def __init__(self, port: int) -> None:
        self.mode = "pass"
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._streams: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        self._end_all(self._sockets)

    def cut(self) -> None:
        """End all streams, and every new one."""
        self.mode = "cut"
        self._end_all(self._streams)

    def _end_all(self, sockets: list[socket.socket]) -> None:
        while sockets:
            _end(sockets.pop())

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        down = threading.Thread(target=self._down, args=(client, server), daemon=True)
        with suppress(OSError):
            while sent := client.recv(CHUNK):
                if sent.startswith(b"GET /v1/stream"):
                    self._streams += [client, server]
                server.sendall(sent)
                if not down.is_alive():
                    down.start()
        _end(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while received := server.recv(CHUNK):
                if client in self._streams and self.mode == "cut":
                    break
                if client in self._streams and self.mode == "freeze":
                    continue
                client.sendall(received)
        _end(client)


def _end(ended: socket.socket) -> None:
    with suppress(OSError):
        ended.shutdown(socket.SHUT_RDWR)
    ended.close()
