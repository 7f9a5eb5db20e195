"""Mutants of source files: copies with one small change in a function, which mutmut generates."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, cast

from slipway.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from libcst import Module


@dataclass(frozen=True)
class SourceMutant:
    """A source file with one change."""

    path: str
    """Path in the repository, with `/`."""
    function: str
    lines: range
    """Lines of the function, from 1."""
    line: int
    """First changed line."""
    original: str
    mutated: str

    @property
    def diff(self) -> str:
        """The change as a unified diff without its header."""
        before, after = self.original.splitlines(keepends=True), self.mutated.splitlines(keepends=True)
        return "".join([*unified_diff(before, after, n=1)][2:])


def draw(root: Path, paths: Iterable[str], seed: int, count: int) -> tuple[list[SourceMutant], int]:
    """Return `count` mutants of the files and folders `paths`, and the number that they are drawn from.

    The same seed and sources give the same mutants. Raises ToolError without mutmut.
    """
    try:
        from libcst import FunctionDef
        from mutmut.mutation.file_mutation import create_mutations
    except ImportError:
        raise ToolError("mutmut: not installed; run `uv sync --frozen --group mutants`") from None
    population = []
    for file in _files(root, paths):
        code = file.read_text(encoding="utf-8")
        module, mutations, *_ = create_mutations(str(file), code)
        inside = [it for it in mutations if isinstance(it.contained_by_top_level_function, FunctionDef)]
        population += [(file, code, module, mutation) for mutation in inside]
    chosen = random.Random(seed).sample(population, min(count, len(population)))  # noqa: S311 - no secret
    mutants = []
    for file, code, module, mutation in chosen:
        mutated = cast("Module", module.deep_replace(mutation.original_node, mutation.mutated_node))
        mutants.append(_mutant(file.relative_to(root).as_posix(), code, mutated.code))
    return mutants, len(population)


def _files(root: Path, paths: Iterable[str]) -> list[Path]:
    places = [root / path for path in paths]
    return sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))


def _mutant(path: str, original: str, mutated: str) -> SourceMutant:
    """Return the mutant of a file. A mutation changes one statement, so its first changed line is in its function."""
    line = _first_difference(original.splitlines(), mutated.splitlines())
    functions = [
        node for node in ast.walk(ast.parse(original)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    outer = min(
        (node for node in functions if node.lineno <= line <= (node.end_lineno or 0)), key=lambda node: node.lineno
    )
    lines = range(outer.lineno, (outer.end_lineno or 0) + 1)
    return SourceMutant(path, outer.name, lines, line, original, mutated)


def _first_difference(before: Sequence[str], after: Sequence[str]) -> int:
    """Return the number of the first line that differs, from 1."""
    different = (number for number, lines in enumerate(zip(before, after, strict=False), 1) if lines[0] != lines[1])
    return next(different, min(len(before), len(after)))
