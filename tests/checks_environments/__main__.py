"""Comparison of two environments of the data checks: every check must return the same value and outcome in both.

`python -m tests.checks_environments OLD_CHECKOUT [PROBLEM...]`, in the root of the repository, with the data pulled.
OLD_CHECKOUT is another clone after `make setup`, before the change of the dependency group `checks`. It exits with 1
when a result differs, and when a built-in check raised an error everywhere, because equal errors show nothing.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.checks.suites import ENVIRONMENT, QUIET, RUNNER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROBLEMS = Path("tests/problems")
SOURCES = {
    "sample": (Path("src"), Path("data"), Path("params.yaml")),
    **{
        name: (PROBLEMS / name, PROBLEMS / name / "data", PROBLEMS / name / "params.yaml")
        for name in ("penguins", "titanic", "houses")
    },
}
"""Folder of the package `problem`, data and parameters of a binary, a multiclass, a binary and a regression problem."""
BUILTIN_CHECKS = Path(__file__).with_name("builtin_checks.py")
TIMED = "ModelInferenceTime"
"""The built-in check that measures a duration."""
RESULT_LENGTH_MAX = 300  # characters of a printed result
ROUNDING = 1e-9
"""Relative difference from the order of a sum; a larger one is a different value."""


def main(old_checkout: Path, problems: Sequence[str]) -> int:
    """Compare the environments on `problems`, or on all, and return the exit code."""
    counts: Counter[str] = Counter()
    raised = {True: set(), False: set()}
    for problem in problems or SOURCES:
        for request, name, before, after in results(problem, old_checkout.resolve()):
            kind = "duration" if name == TIMED else compared(before, after)
            counts[kind] += 1
            raised[kind == "equal errors"].add(name)
            if kind.startswith("different"):
                print(f"{problem}, {request}, {name}: {kind}\n  {truncated(before)}\n  {truncated(after)}", flush=True)
        print(f"{problem}, and those before it: {dict(counts)}", flush=True)
    never = sorted(raised[True] - raised[False])
    print(f"Raised an error everywhere: {', '.join(never) or 'none'}")
    return 1 if never or not counts["equal"] or any(kind.startswith("different") for kind in counts) else 0


def results(problem: str, old_checkout: Path) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield each result of a problem: its request, its name, and what both environments returned."""
    package, data, params = SOURCES[problem]
    with tempfile.TemporaryDirectory() as folder:
        write_frames(package, data, params, Path(folder))
        for request in sorted(Path(folder).glob("*.json")):
            old, new = (answers(root, package, request) for root in (old_checkout, Path.cwd()))
            for name in sorted(old.keys() | new.keys()):
                yield from ((request.stem, name, *pair) for pair in pairs(old.get(name), new.get(name)))


def write_frames(package: Path, data: Path, params: Path, folder: Path) -> None:
    """Write the frames of a problem and the requests about them to `folder`."""
    environment = os.environ | {"PYTHONPATH": path_of(Path.cwd(), package)}
    command = [sys.executable, "-m", "tests.checks_environments.frames", str(data), str(params), str(folder)]
    subprocess.run(command, env=environment, check=True)


def path_of(root: Path, package: Path) -> str:
    """Return the PYTHONPATH of a checkout with one of its packages `problem`."""
    return os.pathsep.join(map(str, [root / package, root / "src", Path.cwd()]))


def answers(root: Path, package: Path, request: Path) -> dict[str, Any]:
    """Return the answers of a checkout's environment, by the name of a pair of frames or of a built-in check."""
    script = ["-m", RUNNER] if request.stem == "suites" else [str(BUILTIN_CHECKS)]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [str(root / ENVIRONMENT / "bin/python"), *script, str(request), str(answer)]
        environment = os.environ | QUIET | {"PYTHONPATH": path_of(root, package)}
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.run(command, env=environment, check=True, **quiet)
        return json.loads(answer.read_text(encoding="utf-8"))


def pairs(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the paired results of an answer: checks and drift scores of a suite, or results of a built-in check."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys() == {"checks", "drift"}:
        old, new = ([*answer["checks"], *answer["drift"].items()] for answer in (old, new))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            yield from value_and_conditions(before, after)
    else:
        yield old, new


def value_and_conditions(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the value and the conditions of a built-in check's result as separate pairs."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys() == {"value", "conditions"}:
        yield {"value": old["value"]}, {"value": new["value"]}
        yield from zip(old["conditions"], new["conditions"], strict=True)
    else:
        yield old, new


def compared(old: Any, new: Any) -> str:
    """Return the relation of two results: equal, equal errors, equal but for rounding, or different."""
    if old == new:
        return "equal errors" if is_error(old) else "equal"
    if is_close(old, new):
        return "equal but for rounding"
    both = isinstance(old, dict) and isinstance(new, dict)
    return "different value" if both and old.keys() == new.keys() == {"value"} else "different outcome"


def truncated(result: Any) -> str:
    """Return the result as text of bounded length."""
    text = str(result)
    return text if len(text) <= RESULT_LENGTH_MAX else f"{text[:RESULT_LENGTH_MAX]} …"


def is_error(result: Any) -> bool:
    """Return whether the result is an error."""
    return isinstance(result, dict) and ("error" in result or result.get("outcome") == "not run")


def is_close(old: Any, new: Any) -> bool:
    """Return whether all values are equal, numbers up to rounding."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(is_close(old[key], new[key]) for key in old)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(is_close, old, new))
    try:
        return old == new or math.isclose(float(old), float(new), rel_tol=ROUNDING, abs_tol=ROUNDING)
    except (TypeError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
