#!/usr/bin/env bash
# uvicorn with httptools drops the body of a request that offers HTTP/2, which Java's default client does.
#
# Expected: a server may ignore `Upgrade` (RFC 9110, section 7.8) and answer in HTTP/1.1, body included. uvicorn's two
#   parsers are alternatives that differ in speed alone.
# Seen: with `--http h11` the application receives the body. With `--http httptools`, the one that `auto` chooses where
#   it is installed, the application receives an empty body and answers as if there had been none; a warning about
#   missing WebSocket packages is logged. `java.net.http.HttpClient` sends these headers with its first request, and
#   `curl --http2` with each.
# Why it matters: a service that requires a body refuses valid requests of Java clients that it accepts from others.
# Versions: uvicorn 0.54.0, httptools 0.9.0, h11 0.16.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import asyncio
import socket
from importlib.metadata import version

import uvicorn

print(*(f"{name} {version(name)}" for name in ("uvicorn", "httptools", "h11")), sep=", ")
BODY = b'{"size": 1}'
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(BODY)
OFFER = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


async def answer_length(scope, receive, send):
    received = b""
    while scope["type"] == "http":
        event = await receive()
        received += event.get("body", b"")
        if not event.get("more_body"):
            break
    text = b"%d" % len(received)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


async def received(parser, headers):
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(answer_length, http=parser, lifespan="off", log_level="critical"))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(HEAD + headers + b"\r\n" + BODY)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int((await reader.read(2)).decode())
    writer.close()
    server.should_exit = True
    await task
    assert answer.startswith(b"HTTP/1.1 200")
    return length


for parser in ("h11", "httptools"):
    for name, headers in (("a plain request", b""), ("a request that offers h2c", OFFER)):
        print(f"{parser}: {asyncio.run(received(parser, headers))} of {len(BODY)} bytes of {name}")
PY
diff - "$folder/seen" <<'SEEN'
uvicorn 0.54.0, httptools 0.9.0, h11 0.16.0
h11: 11 of 11 bytes of a plain request
h11: 11 of 11 bytes of a request that offers h2c
httptools: 11 of 11 bytes of a plain request
httptools: 0 of 11 bytes of a request that offers h2c
SEEN
