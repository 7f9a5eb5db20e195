#!/usr/bin/env bash
# `buildah run --isolation chroot` kills the container's program when buildah receives SIGTERM; it gets no SIGTERM.
#
# Expected: buildah passes the signal on, as `podman run` documents it (--sig-proxy), or ends and leaves the program to
#   handle it. A supervisor that stops buildah would thereby stop a service gracefully.
# Seen: the program is killed at once, and its handler of SIGTERM never runs. The same signal to the program itself does
#   run the handler, and buildah then ends with its exit code.
# Matters for: services under a supervisor, for example systemd, which signals the process that it started.
# Versions: buildah 1.28.2 of Debian 12; needs buildah, bash and sleep of this machine, which are copied into the container.
set -euo pipefail
folder=$(mktemp -d)
trap 'buildah_ rm --all > /dev/null; rm -rf "$folder"' EXIT
buildah_() { buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }
cd "$folder"
for program in bash sleep; do
  install -D "$(command -v "$program")" "root/bin/$program"
  for library in $(ldd "$(command -v "$program")" | grep -o '/[^ ]*'); do install -D "$library" "root$library"; done
done
cat > root/serve <<'SH'
trap 'echo handled SIGTERM; exit 7' TERM
echo "$$" > /data/started
while :; do sleep 0.1; done
SH
buildah_ from --name box scratch > /dev/null
buildah_ copy --quiet box root / > /dev/null
mkdir data

attempt() {  # who gets the signal
  rm -f data/started
  buildah_ run --isolation chroot --volume "$folder/data:/data" box -- /bin/bash /serve > log 2>&1 &
  outer=$!
  for _ in $(seq 200); do [ -s data/started ] && break; sleep 0.1; done
  inner=$(cat data/started)
  if [ "$1" = buildah ]; then kill -TERM "$(pgrep --parent "$outer" --newest buildah || echo "$outer")"; else kill -TERM "$inner"; fi
  code=0
  wait "$outer" || code=$?
  handled=$(grep --count 'handled SIGTERM' log || true)
  echo "SIGTERM to $1: handled $handled times, buildah exits with $code"
}

{ buildah --version | cut -d' ' -f1-3; attempt buildah; attempt "the program"; } | tee seen
diff - seen <<'SEEN'
buildah version 1.28.2
SIGTERM to buildah: handled 0 times, buildah exits with 1
SIGTERM to the program: handled 1 times, buildah exits with 7
SEEN
