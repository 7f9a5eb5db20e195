"""The plan as Python: the package `problem` and its tests, in the shape that the linters ask for."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from slipway import csv_file
from slipway.csv_file import Dialect

if TYPE_CHECKING:
    from slipway.scaffold.columns import Feature
    from slipway.scaffold.plan import Plan

PACKAGE = Path("src/problem")
TESTS = Path("tests/problem")
FILES = {
    "__init__.py.j2": PACKAGE / "__init__.py",
    "row.py.j2": PACKAGE / "row.py",
    "data.py.j2": PACKAGE / "data.py",
    "model.py.j2": PACKAGE / "model.py",
    "suites.py.j2": PACKAGE / "suites.py",
    "test_problem.py.j2": TESTS / "test_problem.py",
}
WIDTH = 116  # of a comment in a class body
LONGEST = 60  # characters of a description


def render(plan: Plan) -> dict[Path, str]:
    """Content of every file, by its place in the repository."""
    templates = Environment(  # noqa: S701  Python is written here, not HTML
        loader=PackageLoader("slipway.scaffold"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {"py": literal, "annotation": annotation, "comment": comment, "wrapped": wrapped}
    known = {"plan": plan, **_derived(plan)}
    files = {path: formatted(templates.get_template(name).render(known), path) for name, path in FILES.items()}
    return {**files, PACKAGE / "csv_file.py": Path(csv_file.__file__).read_text(encoding="utf-8")}


def _derived(plan: Plan) -> dict[str, Any]:
    kinds = {feature.kind for feature in plan.features}
    has_numbers = bool(kinds & {"int", "float"})
    opened = [feature.name for feature in plan.features if feature.kind == "open"]
    learner = "Regressor" if plan.target.task == "regression" else "Classifier"
    typed = [("Annotated", has_numbers or bool(opened)), ("Any", has_numbers), ("Literal", "closed" in kinds)]
    return {
        "target": plan.target.name,
        "target_doc": _target(plan),
        "has_numbers": has_numbers,
        "typing_names": [name for name, needed in typed if needed] or [],
        "estimator": f"HistGradientBoosting{learner}",
        "open_list": opened[0] if opened else "",
        "csv": _dialect(plan.dialect),
        "left_out": {each.source for each in plan.left_out},
    }


def _dialect(dialect: Dialect) -> dict[str, Any]:
    """What differs from the default."""
    default = vars(Dialect())
    return {name: value for name, value in vars(dialect).items() if value != default[name]}


def _target(plan: Plan) -> str:
    aim = plan.target
    source = f"Column to predict, {aim.source!r} in {plan.file}"
    spelled = f"; 1 where it is {aim.positive!r}, 0 where it is {aim.negative!r}" if aim.positive is not None else ""
    return _one_line(f"{source}{spelled}", 110)


def literal(value: Any) -> str:
    """`value` as Python source, texts in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple | set):
        inner = ", ".join(map(literal, sorted(value) if isinstance(value, set) else value))
        opening, closing = {list: "[]", tuple: "()", set: "{}"}[type(value)]
        return f"{opening}{inner}{',' if isinstance(value, tuple) and len(value) == 1 else ''}{closing}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(inner)}' for key, inner in value.items())}}}"
    return repr(value.item() if hasattr(value, "item") else value)


def annotation(feature: Feature) -> str:
    """The type of a column of `Row`, with everything that is known of it."""
    described = literal(_one_line(feature.source, LONGEST))
    missing = " | None" if feature.nullable else ""
    if feature.kind in {"int", "float"}:
        limits = f"{described}, {literal(feature.unit)}, {feature.low!r}, {feature.high!r}"
        return f"Annotated[{feature.kind}, _number({limits})]{missing}"
    if feature.kind == "open":
        allowed = (
            f"pattern=r{literal(feature.pattern)}" if feature.pattern else f"min_length=1, max_length={feature.longest}"
        )
        return f"Annotated[str, Field({allowed})]{missing} = Field(description={described})"
    named = "bool" if feature.kind == "bool" else f"Literal[{', '.join(map(literal, feature.values))}]"
    return f"{named}{missing} = Field(description={described})"


def comment(text: str) -> str:
    """`text` as comment lines in a class body."""
    lines = textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent="    # ", subsequent_indent="    #   ")
    return "\n".join(lines)


def wrapped(text: str) -> str:
    """A paragraph of a docstring."""
    return textwrap.fill(" ".join(text.split()), WIDTH) + "\n"


def _one_line(text: str, most: int) -> str:
    plain = " ".join(text.split()).replace("\\", "/").replace('"', "'")
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def formatted(source: str, path: Path) -> str:
    """`source` as ruff formats it, with its imports in order."""
    ruff = str(Path(sys.executable).parent / "ruff")
    steps = (["check", "--quiet", "--fix-only", "--select", "I,F401"], ["format", "--quiet"])
    for step in steps:
        command = [ruff, *step, "--stdin-filename", str(path), "-"]
        source = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    return source
