"""Every user error has a named class and its exit code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from slipway.errors import UserError

ENGINE, TESTS = Path("src/slipway"), Path("tests")


def unnamed(source: str) -> list[int]:
    """Return the lines of `source` that create a UserError, or derive from it, instead of from one of its classes."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call | ast.ClassDef)]
    used = {node: node.bases if isinstance(node, ast.ClassDef) else [node.func] for node in nodes}
    return [node.lineno for node, names in used.items() for name in names if _is_base(name)]


def _is_base(name: ast.expr) -> bool:
    return ast.unparse(name).split(".")[-1] == "UserError"


def matching_the_base(source: str) -> list[int]:
    """Return the lines of a test that expect UserError instead of one of its classes."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    expected = {node: node.args[0] for node in calls if ast.unparse(node.func) == "pytest.raises"}
    return [
        node.lineno
        for node, error in expected.items()
        if any(map(_is_base, error.elts if isinstance(error, ast.Tuple) else [error]))
    ]


@pytest.mark.parametrize(
    "path", sorted({*ENGINE.rglob("*.py")} - {ENGINE / "errors.py"}), ids=lambda path: str(path.relative_to(ENGINE))
)
def test_every_error_has_a_class(path):
    assert [] == unnamed(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line", ['raise UserError("x")', 'error = errors.UserError("x")', "class OwnError(UserError): ..."]
)
def test_an_error_without_a_class_is_detected(line):
    assert [1] == unnamed(line)


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_names_the_class_that_it_expects(path):
    assert [] == matching_the_base(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("error", ["UserError", "errors.UserError", "(DataError, UserError)"])
def test_an_expected_error_without_a_class_is_detected(error):
    assert [1] == matching_the_base(f"with pytest.raises({error}, match='x'): ...")
    assert [] == matching_the_base("with pytest.raises((DataError, errors.GateError)): ...")


def test_every_class_exits_with_2():
    assert {2} == {cls.exit_code for cls in UserError.__subclasses__()}
