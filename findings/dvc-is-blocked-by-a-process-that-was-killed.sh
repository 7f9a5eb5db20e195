#!/usr/bin/env bash
# A `dvc repro` that was killed blocks the next one as long as its parent has not reaped it.
#
# Expected: DVC removes the paths of dead processes from its list of paths in use, `.dvc/tmp/rwlock`, with the line "had been
#   killed. Auto removed it from the lock file". So a kill does not disturb the next run.
# Seen: a process counts as alive while its id is in use, and a killed process keeps its id as a zombie. The next run fails
#   with "is busy, it is being blocked by" and names it. After the parent has reaped it, the same command succeeds.
# Why it matters: in a container without an init process nothing reaps what was killed together with its parent, so every
#   later run fails until the container ends. Start containers with `--init`, or remove the file when no DVC runs.
# Versions: dvc 3.67.1, Linux.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME="$folder" DVC_NO_ANALYTICS=1
PATH="$folder/venv/bin:$PATH"
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
dvc init --quiet
cat >dvc.yaml <<'YAML'
stages:
  wait:
    cmd: touch started; sleep ${seconds}; touch done
    params: [seconds]
    outs: [done]
YAML
cat >"$folder/kill.py" <<'PY'
import os, pathlib, signal, subprocess, time


def repro():
    done = subprocess.run(["dvc", "repro"], capture_output=True, text=True)
    text = done.stdout + done.stderr
    found = [reason for reason in ("is being blocked by", "had been killed. Auto removed") if reason in text]
    return done.returncode, found


pathlib.Path("params.yaml").write_text("seconds: 60\n")
first = subprocess.Popen(["dvc", "repro"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
while not pathlib.Path("started").exists():
    time.sleep(0.1)
os.killpg(first.pid, signal.SIGKILL)
os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)  # it is dead, and stays a zombie
pathlib.Path("params.yaml").write_text("seconds: 0\n")
print("killed, not reaped:", *repro())
first.wait()
print("reaped:", *repro())
PY
{
  echo "dvc $(dvc --version)"
  python "$folder/kill.py"
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
dvc 3.67.1
killed, not reaped: 255 ['is being blocked by']
reaped: 0 ['had been killed. Auto removed']
SEEN
