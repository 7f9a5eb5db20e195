#!/usr/bin/env bash
# KServe's client of the Open Inference Protocol drops the version of the model that answered.
#
# Expected: `response.model_version` of `InferenceRESTClient.infer` is the `model_version` that the server sent, which the
#   protocol has for that purpose. `InferResponse.from_rest`, the documented way to read such a response, returns it.
# Seen: the client reads responses by `InferResponse.from_bytes`, which has every field but that one: it is None.
# Why it matters: during a canary or a rollout, a client cannot report which version gave a prediction.
# Versions: kserve 0.21.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kserve==0.21.0
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from kserve import InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig

OUTPUT = {"name": "y", "shape": [1], "datatype": "FP64", "data": [0.5]}
ANSWER = {"model_name": "m", "model_version": "v7", "id": "42", "outputs": [OUTPUT]}


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def shown(way, response):
    values = [response.model_name, response.id, response.outputs[0].data, response.model_version]
    print(f"{way}: {values}")


async def infer(url):
    request = InferRequest(model_name="m", infer_inputs=[InferInput("x", [1], "FP64", [1.0])])
    return await InferenceRESTClient(RESTConfig(protocol="v2")).infer(url, request, model_name="m")


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
shown("from_rest", InferResponse.from_rest(ANSWER))
shown("client", asyncio.run(infer(f"http://127.0.0.1:{server.server_port}")))
PY
diff - "$folder/seen" <<'SEEN'
from_rest: ['m', '42', [0.5], 'v7']
client: ['m', '42', [0.5], None]
SEEN
