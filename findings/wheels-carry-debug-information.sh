#!/usr/bin/env bash
# Wheels of widely used packages contain the debug information of their compiled modules, which is most of their size.
#
# Expected: the modules in wheels are stripped, like those of a distribution, so an image is as large as what it loads.
# Seen: 22 of the 26 MB of compiled modules in uvloop, aiohttp, multidict, PyYAML and httptools follow the last segment
#   of the file, so no loader maps them. Without these bytes uvloop runs as before.
# Matters for: the size of images and of functions, which have a limit.
# Versions: uvloop 0.23.0, aiohttp 3.14.5, multidict 7.2.1, PyYAML 6.0.3, httptools 0.9.0, wheels for CPython 3.11 and
#   x86_64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest wheels \
  --python-version 3.11 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
  uvloop==0.23.0 aiohttp==3.14.5 multidict==7.2.1 PyYAML==6.0.3 httptools==0.9.0
cat > sizes.py <<'PY'
import struct
import zipfile
from pathlib import Path


def mapped(content: bytes) -> int:
    """Return the end of the last segment of a 64-bit ELF file."""
    start, size, count = *struct.unpack_from("<Q", content, 32), *struct.unpack_from("<HH", content, 54)
    entries = (struct.unpack_from("<IIQQQQ", content, start + size * number) for number in range(count))
    return max(entry[2] + entry[5] for entry in entries)


total = loaded = 0
for wheel in sorted(Path("wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        modules = [archive.read(name) for name in archive.namelist() if name.endswith(".so")]
    total += sum(map(len, modules))
    loaded += sum(map(mapped, modules))
    sizes = f"{sum(map(len, modules)) / 1e6:.1f} MB, of which {sum(map(mapped, modules)) / 1e6:.1f} MB are mapped"
    print(f"{wheel.name.split('-')[0].lower()}: {sizes}")
print(f"together: {total / 1e6:.1f} MB, of which {loaded / 1e6:.1f} MB are mapped")
PY
venv/bin/python sizes.py | tee seen
venv/bin/pip install --quiet --disable-pip-version-check uvloop==0.23.0
venv/bin/python - <<'PY' | tee -a seen
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.append(".")
module = next(Path(find_spec("uvloop").origin).parent.glob("loop.*.so"))
content = module.read_bytes()
start, size, count = *struct.unpack_from("<Q", content, 32), *struct.unpack_from("<HH", content, 54)
entries = [struct.unpack_from("<IIQQQQ", content, start + size * number) for number in range(count)]
cut = bytearray(content[: max(entry[2] + entry[5] for entry in entries)])
struct.pack_into("<Q", cut, 40, 0)
struct.pack_into("<HH", cut, 60, 0, 0)
module.write_bytes(cut)
run = "import asyncio, uvloop; print('without the rest: uvloop returns', uvloop.run(asyncio.sleep(0, 4)))"
print(subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True).stdout, end="")
PY
diff - seen <<'SEEN'
aiohttp: 6.0 MB, of which 0.9 MB are mapped
httptools: 1.6 MB, of which 0.3 MB are mapped
multidict: 1.6 MB, of which 0.2 MB are mapped
pyyaml: 2.7 MB, of which 0.4 MB are mapped
uvloop: 13.6 MB, of which 1.6 MB are mapped
together: 25.5 MB, of which 3.3 MB are mapped
without the rest: uvloop returns 4
SEEN
