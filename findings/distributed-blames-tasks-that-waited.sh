#!/usr/bin/env bash
# A task that only waited behind a fatal one gets KilledWorker, although it never ran on a worker that died.
#
# Expected: a task that ends its worker four times has KilledWorker, "after trying to run on 4 different workers"; the others
#   run on the restarted workers.
# Seen: the scheduler sends each worker a task more than it has threads. When a worker dies, both count as suspicious, and
#   the one that waits is sent out together with the fatal one again. With one worker and one fatal task, two of 21 fail.
#   Its message names workers on which it never ran. With `worker-saturation: 1.0` only the fatal one fails.
# Why it matters: a batch of files with one bad file loses a good one, and the report names the good one as fatal. Repeat each
#   such task alone, or set the saturation, which only the scheduler's own configuration can.
# Versions: distributed 2026.8.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check distributed==2026.8.0
cat >"$folder/blame.py" <<'PY'
import logging
import os
import sys
import time

from dask import config
from distributed import Client, LocalCluster


def work(number):
    if number == 0:
        time.sleep(0.2)
        os._exit(1)
    time.sleep(0.02)
    with open(sys.argv[1], "a") as file:
        print(number, file=file)


if __name__ == "__main__":
    config.set({"distributed.scheduler.worker-saturation": float(sys.argv[2])})
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        errors = [future.exception() for future in client.map(work, range(21), pure=False)]
    killed = [number for number, error in enumerate(errors) if error is not None]
    print(f"saturation {sys.argv[2]}: {[type(errors[number]).__name__ for number in killed]} of the tasks {killed}")
PY
{
  "$folder/venv/bin/python" -c 'import distributed; print("distributed", distributed.__version__)'
  for saturation in 1.1 1.0; do
    "$folder/venv/bin/python" "$folder/blame.py" "$folder/log" "$saturation" 2>/dev/null
  done
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
distributed 2026.8.0
saturation 1.1: ['KilledWorker', 'KilledWorker'] of the tasks [0, 1]
saturation 1.0: ['KilledWorker'] of the tasks [0]
SEEN
