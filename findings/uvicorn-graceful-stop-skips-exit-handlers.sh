#!/usr/bin/env bash
# A graceful stop of uvicorn by SIGTERM runs the application's shutdown, but no exit handler of the process.
#
# Expected: uvicorn catches SIGTERM, answers what is open, runs the lifespan's shutdown, and the program then ends like any
#   other: code after `uvicorn.run`, `finally` blocks and `atexit` handlers run, and libraries flush what they buffer there
#   (logging's memory handlers, exporters of traces and metrics, coverage).
# Seen: after the lifespan's shutdown, uvicorn raises the signal again with its default action, which ends the process at
#   that point: neither `finally` nor `atexit` runs, and a record buffered by logging.handlers.MemoryHandler is lost. After
#   SIGINT, whose default action is an exception in Python, all three happen.
# Matters for: every service that a supervisor or Kubernetes stops, which send SIGTERM; in a terminal, Ctrl+C shows no fault.
# Versions: uvicorn 0.54.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check uvicorn==0.54.0
cat > service.py <<'PY'
import atexit
import logging
import logging.handlers
import os
import signal
import sys
import threading

import uvicorn

events = os.open("events", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def note(event):
    os.write(events, f"{event}\n".encode())


class ToFile(logging.Handler):
    def emit(self, record):
        note(record.getMessage())


async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.complete"})
    number = getattr(signal, sys.argv[1])
    threading.Timer(0.5, os.kill, (os.getpid(), number)).start()
    logging.getLogger("app").warning("buffered record")
    await receive()
    note("shutdown of the application")
    await send({"type": "lifespan.shutdown.complete"})


buffer = logging.handlers.MemoryHandler(100, target=ToFile())
logging.getLogger("app").addHandler(buffer)
atexit.register(note, "exit handler")
try:
    uvicorn.run(app, host="127.0.0.1", port=0, log_config=None)
except KeyboardInterrupt:
    pass
finally:
    note("finally")
PY
{
  env/bin/python -c 'import uvicorn; print("uvicorn", uvicorn.__version__)'
  for signal in SIGTERM SIGINT; do
    code=0
    env/bin/python service.py "$signal" > log 2>&1 || code=$?
    echo "$signal: $(sort events | paste -sd, - | sed 's/,/, /g'); exit code $code"
  done
} | tee seen
diff - seen <<'SEEN'
uvicorn 0.54.0
SIGTERM: shutdown of the application; exit code 143
SIGINT: buffered record, exit handler, finally, shutdown of the application; exit code 0
SEEN
