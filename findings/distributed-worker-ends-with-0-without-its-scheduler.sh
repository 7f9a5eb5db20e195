#!/usr/bin/env bash
# A Dask worker that loses its scheduler ends with exit code 0 in the middle of a task, although it has a `--death-timeout`.
#
# Expected: the worker waits for the scheduler for the time of `--death-timeout`, finishes its task, or ends with an error.
# Seen: seconds after the scheduler was killed, `dask worker --death-timeout 600` has ended with 0, and the task that it ran has
#   not. The option holds for the start only.
# Why it matters: `Restart=on-failure` of systemd and `restartPolicy: OnFailure` of Kubernetes leave the worker stopped, so a
#   restarted scheduler has no workers. Restart it always.
# Versions: distributed 2026.8.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check distributed==2026.8.0
cat >"$folder/lost.py" <<'PY'
import logging
import subprocess
import sys
import time
from pathlib import Path

from distributed import Client

BIN = Path(sys.executable).parent


def work(folder):
    Path(folder, "begun").touch()
    time.sleep(120)
    Path(folder, "finished").touch()


def lose(flags, folder):
    folder.mkdir()
    command = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
    command = [BIN / "dask", "worker", address, "--no-dashboard", "--death-timeout", "600", *flags]
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder)
    client = Client(address, set_as_default=False)
    future = client.submit(work, str(folder))
    while not (folder / "begun").exists():
        time.sleep(0.05)
    scheduler.kill()
    code = worker.wait(60)
    print(f"dask worker {' '.join(flags)}: exit code {code}, task finished: {(folder / 'finished').exists()}")
    del future
    client.close(timeout=1)
    scheduler.communicate()


if __name__ == "__main__":
    for name in ("distributed.client", "distributed.comm"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    lose(["--no-nanny"], Path(sys.argv[1], "task"))
PY
{
  "$folder/venv/bin/python" -c 'import distributed; print("distributed", distributed.__version__)'
  "$folder/venv/bin/python" "$folder/lost.py" "$folder" 2>/dev/null
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
distributed 2026.8.0
dask worker --no-nanny: exit code 0, task finished: False
SEEN
