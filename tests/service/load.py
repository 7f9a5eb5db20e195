"""A load generator that is not itself the delay: one thread, epoll, ready-made bytes; about 10 µs a request.

    python tests/service/load.py PORT CONNECTIONS SECONDS BODY_FILE [--reconnect]

Each connection sends its next request when it has its answer. Latency is from the call of send to the read of the last
byte. Prints one JSON object: answers by status with their latencies in seconds (sorted), what was lost, and the share
of a core that the generator used. `lost` are requests that were sent and not answered; `refused` are connections that
the kernel did not take, which is no request yet.
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
    """One client."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port = port
        self.request = request
        self.received = b""
        self.sent_at = 0.0
        self.socket: socket.socket | None = None

    def open(self, selector: selectors.BaseSelector) -> None:
        """Connect; raises ConnectionError."""
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self.socket, selectors.EVENT_READ, self)

    def close(self, selector: selectors.BaseSelector) -> None:
        """Leave."""
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
        """(status, whether the connection stays), or None until all of the answer is there; raises ConnectionError."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("closed before the answer")
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        lower = head.lower()
        length = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        return int(head[9:12]), b"connection: close" not in lower


class Load:
    """Many clients, and what became of their requests."""

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
        """Load for `seconds`, or until nobody takes connections any more."""
        end = time.perf_counter() + seconds
        for client in self.clients:
            self._start(client)
            self._look(0, go_on=True)  # or the answers to the first would wait until the last is connected
        while self.selector.get_map() and (now := time.perf_counter()) < end + 10:
            self._look(1, go_on=now < end)

    def _look(self, seconds: float, go_on: bool) -> None:
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
    """Load as the module says."""
    load = Load(int(port), int(connections), Path(body).read_bytes(), "--reconnect" in flags)
    wall, cpu = time.perf_counter(), time.process_time()
    load.run(float(seconds))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    result = {"answers": {status: sorted(each) for status, each in load.seconds.items()}}
    print(json.dumps(result | {"lost": load.lost, "refused": load.refused, "wall": wall, "cpu": cpu / wall}))


if __name__ == "__main__":
    main(*sys.argv[1:])
