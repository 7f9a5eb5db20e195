"""Rendering of a plan as Python: the package `problem` and its tests, formatted for the linters."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from slipway.schema import csv_file
from slipway.schema.csv_file import Dialect

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
TABLE_RULES = "E501,RUF001,RUF002,RUF003"  # long lines, and characters that resemble those of ASCII
LINE_WIDTH = 116  # characters of a comment or docstring line
DESCRIPTION_LENGTH_MAX = 60  # characters
TARGET_LENGTH_MAX = 110  # characters of the docstring of TARGET


def render(plan: Plan) -> dict[Path, str]:
    """Return the content of every file by its path in the repository."""
    templates = Environment(  # noqa: S701  the output is Python, not HTML
        loader=PackageLoader("slipway.scaffold"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {"py": literal, "annotation": annotation, "comment": comment, "wrapped": wrapped}
    templates.filters["check"] = partial(check, plan)
    context = {"plan": plan, **_derived(plan)}
    files = {path: formatted(templates.get_template(name).render(context), path) for name, path in FILES.items()}
    return {**files, PACKAGE / "csv_file.py": Path(csv_file.__file__).read_text(encoding="utf-8")}


def _derived(plan: Plan) -> dict[str, Any]:
    kinds = {feature.kind for feature in plan.features}
    has_numbers = bool(kinds & {"int", "float"})
    open_lists = [feature.name for feature in plan.features if feature.kind == "open"]
    learner = "Regressor" if plan.target.task == "regression" else "Classifier"
    typed = [("Annotated", has_numbers or bool(open_lists)), ("Any", has_numbers), ("Literal", "closed" in kinds)]
    ordered = {feature.name: list(feature.values) for feature in plan.features if feature.ordered}
    return {
        "ordered": ordered,
        "unordered": [name for name in plan.categories if name not in ordered],
        "target": plan.target.name,
        "target_doc": _target(plan),
        "has_numbers": has_numbers,
        "typing_names": [name for name, needed in typed if needed] or [],
        "estimator": f"HistGradientBoosting{learner}",
        "open_list": open_lists[0] if open_lists else "",
        "csv": _dialect(plan.dialect),
        "excluded": {column.source for column in plan.excluded},
    }


def _dialect(dialect: Dialect) -> dict[str, Any]:
    """Return the options that differ from the default."""
    default = vars(Dialect())
    return {name: value for name, value in vars(dialect).items() if value != default[name]}


def _target(plan: Plan) -> str:
    target = plan.target
    source = f"Column to predict, {target.source!r} in {plan.file}"
    values = f"; 1 for {target.positive!r}, 0 for {target.negative!r}" if target.positive is not None else ""
    return _one_line(f"{source}{values}", TARGET_LENGTH_MAX)


def literal(value: Any) -> str:
    """Return `value` as Python source, with strings in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple | set):
        inner = ", ".join(map(literal, sorted(value) if isinstance(value, set) else value))
        if isinstance(value, tuple):
            return f"({inner}{',' if len(value) == 1 else ''})"
        return f"[{inner}]" if isinstance(value, list) else f"{{{inner}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(inner)}' for key, inner in value.items())}}}"
    return repr(value.item() if hasattr(value, "item") else value)


def annotation(feature: Feature) -> str:
    """Return the type annotation of a column of `Row`, with its limits and description."""
    description = literal(_one_line(feature.source, DESCRIPTION_LENGTH_MAX))
    missing = " | None" if feature.nullable else ""
    if feature.kind in {"int", "float"}:
        limits = f"{description}, {literal(feature.unit)}, {feature.low!r}, {feature.high!r}"
        return f"Annotated[{feature.kind}, _number({limits})]{missing}"
    if feature.kind == "open":
        allowed = (
            f"pattern=r{literal(feature.pattern)}"
            if feature.pattern
            else f"min_length=1, max_length={feature.length_max}"
        )
        return f"Annotated[str, Field({allowed})]{missing} = Field(description={description})"
    named = "bool" if feature.kind == "bool" else f"Literal[{', '.join(map(literal, feature.values))}]"
    return f"{named}{missing} = Field(description={description})"


def comment(text: str, indent: int = 4) -> str:
    """Return `text` as comment lines in a block that is indented by `indent` characters, by default a class body."""
    first = f"{' ' * indent}# "
    lines = textwrap.wrap(_plain(text), LINE_WIDTH, initial_indent=first, subsequent_indent=f"{first}  ")
    return "\n".join(lines)


def check(plan: Plan, name: str) -> str:
    """Return the constructor of a check of deepchecks, without the columns that break its condition."""
    omitted = plan.omitted.get(name, {})
    if not omitted:
        return f"{' ' * 8}checks.{name}()"
    reasons = [comment(f"{column} is left out: {reason}", 8) for column, reason in omitted.items()]
    return "\n".join([*reasons, f"{' ' * 8}checks.{name}(ignore_columns={literal(sorted(omitted))})"])


def wrapped(text: str) -> str:
    """Return `text` as a paragraph of a docstring."""
    return textwrap.fill(_plain(text), LINE_WIDTH) + "\n"


def _one_line(text: str, length_max: int) -> str:
    plain = _plain(text)
    return plain if len(plain) <= length_max else f"{plain[: length_max - 1]}…"


def _plain(text: str) -> str:
    """Return `text` in one line, with characters that a comment and a docstring can hold."""
    printable = "".join(character if character.isprintable() else "�" for character in " ".join(text.split()))
    return printable.replace("\\", "/").replace('"', "'")


def formatted(source: str, path: Path) -> str:
    """Return `source` formatted by ruff, with sorted imports, and with an exemption for names that a linter rejects."""
    for step in (["check", "--quiet", "--fix-only", "--select", "I,F401"], ["format", "--quiet"]):
        source = _ruff(source, path, *step)
    findings = json.loads(_ruff(source, path, "check", "--exit-zero", "--output-format=json", "--select", TABLE_RULES))
    if not findings:
        return source
    codes = ", ".join(sorted({finding["code"] for finding in findings}))
    return f"# ruff: noqa: {codes}  names and values of the table, of any length and alphabet\n{source}"


def _ruff(source: str, path: Path, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "ruff"), *arguments, "--stdin-filename", str(path), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
