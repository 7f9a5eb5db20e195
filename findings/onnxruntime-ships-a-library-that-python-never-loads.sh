#!/usr/bin/env bash
# The wheel of onnxruntime contains a second copy of the runtime, which its Python module does not use.
#
# Expected: libonnxruntime.so, the largest file besides the Python module, is what the module links to.
# Seen: the module contains the runtime itself. It does not name the library, does not load it, and scores a model
#   after the library was removed: 29 of the 60 MB of compiled code in the wheel are unused in Python.
# Matters for: the size of images and of functions, which have a limit.
# Versions: onnxruntime 1.31.1, onnx 1.23.2, numpy 2.3.5, on Linux.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 numpy==2.3.5
cat > score.py <<'PY'
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

capi = Path(onnxruntime.__file__).parent / "capi"
(library,) = capi.glob("libonnxruntime.so*")
(module,) = capi.glob("onnxruntime_pybind11_state*.so")
print(f"{library.name}: {library.stat().st_size / 1e6:.0f} MB; module: {module.stat().st_size / 1e6:.0f} MB")
print("the module names the library:", b"libonnxruntime.so" in module.read_bytes())
value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "twice", [value], [result])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def score() -> str:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return str(session.run(None, {"x": np.array([1, 2], dtype=np.float32)})[0].tolist())


print("scores:", score())
print("the process maps the library:", library.name in Path("/proc/self/maps").read_text())
PY
venv/bin/python score.py | tee seen
rm "$(find venv -name 'libonnxruntime.so*')"
sed -i 's/^(library,).*/library = Path("removed")/; /^print(f"{library/d; /names the library/d' score.py
venv/bin/python score.py | sed 's/^/without the library: /' | tee -a seen
diff - seen <<'SEEN'
libonnxruntime.so.1.31.1: 29 MB; module: 31 MB
the module names the library: False
scores: [2.0, 4.0]
the process maps the library: False
without the library: scores: [2.0, 4.0]
without the library: the process maps the library: False
SEEN
