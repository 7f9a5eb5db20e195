#!/usr/bin/env bash
# AWS's runtime interface client reports a result with NaN as a success, in a body that is not JSON.
#
# Expected: the client serializes what a handler returns as JSON. A value that JSON cannot express is an error of the
#   function, as every other value is that it cannot serialize: a set is reported as `Runtime.MarshalError`.
# Seen: `float("nan")` and infinity are posted to `/response` as the bare words `NaN` and `Infinity`, with the type
#   application/json. JSON.parse of JavaScript, among others, throws for the whole body.
# Why it matters: a model that returns NaN for one row makes the whole response unreadable, and no metric counts an error.
# Versions: awslambdaric 4.2.2, simplejson 4.3.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check awslambdaric==4.2.2 simplejson==4.3.0
cat > "$folder/model.py" <<'PY'
RESULTS = {"number": 0.5, "nan": float("nan"), "infinity": float("inf"), "set": {1}}


def handler(event, context):
    return {"prediction": RESULTS[event["kind"]]}
PY
cd "$folder"
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

KINDS = ["number", "nan", "infinity", "set"]
waiting, done = list(KINDS), threading.Event()


class RuntimeApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not waiting:
            done.set()
            threading.Event().wait()
        headers = {"Lambda-Runtime-Aws-Request-Id": waiting[0], "Lambda-Runtime-Deadline-Ms": "9999999999999"}
        self.reply(200, json.dumps({"kind": waiting[0]}).encode(), headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        outcome = self.path.rsplit("/", 1)[1]
        text = body if outcome == "response" else json.loads(body)["errorType"]
        print(f"{waiting.pop(0)}: {outcome}, {self.headers['Content-Type']}: {text}", flush=True)
        self.reply(202, b"{}", {})

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


print(*(f"{name} {version(name)}" for name in ("awslambdaric", "simplejson")), sep=", ")
server = HTTPServer(("127.0.0.1", 0), RuntimeApi)
threading.Thread(target=server.serve_forever, daemon=True).start()
variables = os.environ | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"}
process = subprocess.Popen([sys.executable, "-m", "awslambdaric", "model.handler"], env=variables, stdout=subprocess.DEVNULL)
assert done.wait(30)
process.kill()
process.wait()
PY
diff - "$folder/seen" <<'SEEN'
awslambdaric 4.2.2, simplejson 4.3.0
number: response, application/json: {"prediction": 0.5}
nan: response, application/json: {"prediction": NaN}
infinity: response, application/json: {"prediction": Infinity}
set: error, application/json: Runtime.MarshalError
SEEN
