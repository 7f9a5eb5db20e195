#!/usr/bin/env bash
# circusd does not stop on a SIGTERM that arrives while it reloads its watchers, not even after the reload.
#
# Expected: SIGTERM ends a process manager at once or after the command that is running. So deploy scripts and supervisors
#   send it once and wait.
# Seen: circusd runs one command at a time. The signal becomes the command `quit`, which is refused with "arbiter is already
#   running arbiter_reload command". The refusal goes to the client that asked, and a signal has none, so it is not logged.
#   Ten seconds later circusd still runs. A second SIGTERM ends it.
# Why it matters: BentoML 1.4.40 serves under kantoku 0.18.3, a fork with the same function. A service that reloads then
#   keeps running until its supervisor kills it. Send SIGTERM again until the process has ended.
# Versions: circus 0.19.0, pyzmq 27.3.0, tornado 6.6.1, psutil 7.2.2.
set -euo pipefail
folder=$(mktemp -d)
manager=
trap '[ -z "$manager" ] || kill -KILL "$manager" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check circus==0.19.0 pyzmq==27.3.0 tornado==6.6.1 psutil==7.2.2
cd "$folder"
cat >circus.ini <<'INI'
[circus]
endpoint = ipc://control
pubsub_endpoint = ipc://events
check_delay = 60
[watcher:worker]
cmd = bash -c "trap 'sleep 2; exit' TERM; while :; do sleep 0.1; done"
graceful_timeout = 10
INI

is_running() { kill -0 "$manager" 2>/dev/null; }

start() {
  "$folder/venv/bin/circusd" circus.ini >log 2>&1 &
  manager=$!
  for _ in $(seq 100); do
    grep --quiet 'worker started' log && break
    sleep 0.1
  done
  sleep 1
}

stopped() { # whether circusd has ended within $1 seconds
  for _ in $(seq $(($1 * 10))); do
    is_running || { wait "$manager"; echo yes; return; }
    sleep 0.1
  done
  echo no
}
{
  "$folder/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | awk '$1 == "circus" {print $1, $2}'
  start
  kill -TERM "$manager"
  echo "SIGTERM alone: stopped within 10 s: $(stopped 10)"
  start
  kill -HUP "$manager"
  sleep 0.5
  kill -TERM "$manager"
  echo "SIGTERM during a reload of 2 s: stopped within 10 s: $(stopped 10)"
  echo "lines of the log with 'already running': $(grep -c 'already running' log || true)"
  kill -TERM "$manager"
  echo "a second SIGTERM: stopped within 10 s: $(stopped 10)"
} | tee seen
diff - seen <<'SEEN'
circus 0.19.0
SIGTERM alone: stopped within 10 s: yes
SIGTERM during a reload of 2 s: stopped within 10 s: no
lines of the log with 'already running': 0
a second SIGTERM: stopped within 10 s: yes
SEEN
