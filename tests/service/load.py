"""Load generator with little overhead: one thread, epoll and prepared bytes; about 10 µs per request.

    python tests/service/load.py PORT CONNECTIONS SECONDS BODY_FILE [--reconnect]

Each connection sends its next request after its response. The latency is the time from the call of send to the read of
the last byte. Prints one JSON object: sorted latencies in seconds by status, lost and refused requests, and the
generator's usage of a core. `lost` counts requests without a response; `refused` counts connections that the kernel did
not accept, on which no request was sent.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import defaultdict
from pathlib import Path


class Connection:
    """A client with one connection."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port = port
        self.request = request
        self.received = b""
        self.sent_at = 0.0
        self.socket: socket.socket | None = None

    def open(self, selector: selectors.BaseSelector) -> None:
        """Connect. Raises ConnectionError."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self.socket, selectors.EVENT_READ, self)

    def close(self, selector: selectors.BaseSelector) -> None:
        """Close the connection."""
        selector.unregister(self.socket)
        self.socket.close()
        self.socket = None

    def send(self) -> None:
        """Send the next request."""
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.setblocking(len(self.request) > 65536)
        self.socket.sendall(self.request)
        self.socket.setblocking(False)

    def read(self) -> tuple[int, bool] | None:
        """Return the status and whether the connection is kept alive, or None if the response is incomplete.

        Raises ConnectionError.
        """
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("closed before the response")
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        lower = head.lower()
        length = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        return int(head[9:12]), b"connection: close" not in lower


class Load:
    """Concurrent clients, and the results of their requests."""

    def __init__(self, port: int, connections: int, body: bytes, reconnect: bool = False) -> None:
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        request = head.encode() + (b"connection: close\r\n" if reconnect else b"") + b"\r\n" + body
        self.selector = selectors.DefaultSelector()
        self.clients = [Connection(port, request) for _ in range(connections)]
        self.seconds: dict[int, list[float]] = defaultdict(list)
        self.lost = self.refused = 0
        self.last_answer = 0.0
        self.answered_at: list[float] = []

    def run(self, seconds: float) -> None:
        """Send requests for `seconds`, or until no connection is accepted."""
        end = time.perf_counter() + seconds
        for client in self.clients:
            self._start(client)
            self._poll(0, go_on=True)  # so that the first responses do not wait until all are connected
        while self.selector.get_map() and (now := time.perf_counter()) < end + 10:
            self._poll(1, go_on=now < end)

    def _poll(self, seconds: float, go_on: bool) -> None:
        for key, _ in self.selector.select(seconds):
            self._step(key.data, go_on)

    def _start(self, client: Connection) -> None:
        try:
            client.open(self.selector)
        except ConnectionError:
            self.refused += 1
            return
        try:
            client.send()
        except ConnectionError:
            self._lose(client)

    def _step(self, client: Connection, go_on: bool) -> None:
        try:
            answer = client.read()
            if answer is None:
                return
            status, stays = answer
            self.last_answer = time.perf_counter()
            self.seconds[status].append(self.last_answer - client.sent_at)
            if status == 200:
                self.answered_at.append(self.last_answer)
            if go_on and stays:
                client.send()
                return
        except ConnectionError:
            self._lose(client)
            return
        client.close(self.selector)
        if go_on:
            self._start(client)

    def _lose(self, client: Connection) -> None:
        self.lost += 1
        client.close(self.selector)


def main(port: str, connections: str, seconds: str, body: str, *flags: str) -> None:
    """Run the load generator with the arguments in the module docstring."""
    load = Load(int(port), int(connections), Path(body).read_bytes(), "--reconnect" in flags)
    wall, cpu = time.perf_counter(), time.process_time()
    load.run(float(seconds))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    result = {"answers": {status: sorted(latencies) for status, latencies in load.seconds.items()}}
    print(json.dumps(result | {"lost": load.lost, "refused": load.refused, "wall": wall, "cpu": cpu / wall}))


if __name__ == "__main__":
    main(*sys.argv[1:])
