"""Stage `parameters`: the sections of params.yaml that the problem owns, written so that a type is part of a value.

`python -m slipway.pipeline.parameters PARAMS FILE...`, each FILE named after its section, such as `model.yaml`.

DVC compares parameters by `==`, so it calls `1` and `1.0`, or `true` and `1`, unchanged; an estimator does not, since
`max_features: 1` is one column and `1.0` is all of them. A stage that depends on these files runs in both cases. The
engine's own sections need no such file: their models allow one type for each value.
"""

from __future__ import annotations

import sys
from pathlib import Path

from slipway import yaml12
from slipway.errors import reported_by
from slipway.files import write_text
from slipway.settings import read_params


def parameters(source: Path, targets: list[Path]) -> None:
    """Write the section of each of `targets`. Raises UserError for a params.yaml that is not valid."""
    params = read_params(source)
    for target in targets:
        write_text(target, yaml12.dump(dict(params[target.stem])))


if __name__ == "__main__":
    with reported_by("parameters"):
        parameters(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
