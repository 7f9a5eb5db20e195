"""Stage `parameters`: the problem's sections of params.yaml, in files that distinguish types.

`python -m slipway.pipeline.parameters PARAMS FILE...`, each FILE named after its section, such as `model.yaml`.

DVC compares parameters by `==`, so `1` and `1.0`, or `true` and `1`, are equal. An estimator distinguishes them:
`max_features: 1` is one column, and `1.0` is all of them. A stage that depends on these files runs after such a change.
The engine's sections need no such file, because their models allow one type for each value.
"""

from __future__ import annotations

import sys
from pathlib import Path

from slipway import yaml12
from slipway.errors import reported_by
from slipway.files import write_text
from slipway.settings import read_settings


def parameters(source: Path, targets: list[Path]) -> None:
    """Write each file in `targets` from the section of its name. Raises UserError for an invalid params.yaml."""
    params = read_settings(source).for_problem()
    for target in targets:
        write_text(target, yaml12.dump(dict(params[target.stem])))


if __name__ == "__main__":
    with reported_by("parameters"):
        parameters(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
