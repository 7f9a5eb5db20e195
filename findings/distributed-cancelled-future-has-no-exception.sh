#!/usr/bin/env bash
# A cancelled future of Dask has no exception, but its result raises one.
#
# Expected: `exception()` of a cancelled `distributed.Future` raises or returns the CancelledError, as that of
#   `concurrent.futures.Future` raises it; so `future.exception() or future.result()` never raises.
# Seen: `exception()` returns None, which means success, and `result()` raises FutureCancelledError right after it.
#   The error is a `concurrent.futures.CancelledError`, an ordinary Exception, and not asyncio's, which is none.
# Why it matters: a lost scheduler cancels the futures of its clients, also between `as_completed` and the call.
# Versions: distributed 2026.8.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0
cat >"$folder/cancelled.py" <<'PY'
import asyncio
import concurrent.futures
import time
from importlib.metadata import version

import distributed

print("distributed", version("distributed"))
with (
    distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
    distributed.Client(cluster, set_as_default=False) as client,
):
    future = client.submit(time.sleep, 0.5, pure=False)
    future.cancel()
    print("cancelled:", future.cancelled(), "exception:", future.exception(timeout=5))
    try:
        future.result(timeout=5)
    except Exception as error:
        kinds = (concurrent.futures.CancelledError, asyncio.CancelledError)
        print("result:", type(error).__name__, [isinstance(error, kind) for kind in kinds])
waiting = concurrent.futures.Future()
waiting.cancel()
try:
    print("exception in the standard library:", waiting.exception(timeout=5))
except concurrent.futures.CancelledError as error:
    print("exception in the standard library raises", type(error).__name__)
PY
"$folder/venv/bin/python" "$folder/cancelled.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
distributed 2026.8.0
cancelled: True exception: None
result: FutureCancelledError [True, False]
exception in the standard library raises CancelledError
SEEN
