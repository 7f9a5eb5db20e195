#!/usr/bin/env bash
# LitServe reads the request from the query string if the module of the API postpones its annotations.
#
# Expected: `decode_request(self, request: Row)` with a pydantic model `Row` takes a JSON body, as LitServe documents, also
#   with `from __future__ import annotations`, which FastAPI, on which LitServe builds, and pydantic support.
# Seen: with that import, a valid body gets 422 with `"loc": ["query", "request"]`; without it, 200. The server starts
#   without a warning in both cases.
# Why it matters: many linters add the import, and the server rejects every request afterwards.
# Versions: litserve 0.2.19, fastapi 0.165.0, pydantic 2.14.3, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill -KILL -- "-$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litserve==0.2.19 fastapi==0.165.0 pydantic==2.14.3
cat >"$folder/plain.py" <<'PY'
import sys

import litserve
from pydantic import BaseModel


class Row(BaseModel):
    size: float


class Api(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request: Row):
        return request

    def predict(self, row):
        return 2 * row.size

    def encode_response(self, prediction):
        return {"prediction": prediction}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")
PY
(echo "from __future__ import annotations"; cat "$folder/plain.py") >"$folder/postponed.py"
"$folder/venv/bin/python" -c 'from importlib.metadata import version; print("litserve", version("litserve"))' >"$folder/seen"
for module in plain postponed; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  setsid "$folder/venv/bin/python" "$folder/$module.py" "$port" >"$folder/log" 2>&1 & # its workers end with its group
  server=$!
  python3 - "$module" "$port" >>"$folder/seen" <<'PY'
import sys
import time
import urllib.error
import urllib.request

module, port = sys.argv[1:]
for _ in range(300):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
        break
    except OSError:
        time.sleep(0.2)
head = {"Content-Type": "application/json"}
request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", b'{"size": 1.5}', head)
try:
    answer = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
content = answer.read().decode()
print(module, answer.status, content if answer.status == 200 else '"loc":["query","request"]' in content)
PY
  kill -KILL -- "-$server"
  wait "$server" 2>/dev/null || true
  server=""
done
cat "$folder/seen"
diff - "$folder/seen" <<'SEEN'
litserve 0.2.19
plain 200 {"prediction":3.0}
postponed 422 True
SEEN
