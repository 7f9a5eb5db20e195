"""Prose and names use the words of the field: words.yaml lists those that they do not, and what to write instead."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from slipway.pull_request import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
WORDS = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
GAP = r"[\s#*]+"
PHRASES = {re.compile(rf"\b{phrase}\b".replace(" ", GAP), re.IGNORECASE): phrase for phrase in WORDS["phrases"]}
ANY_PHRASE = re.compile(rf"\b(?:{'|'.join(WORDS['phrases'])})\b".replace(" ", GAP))
"""A phrase in a text in lower case: a twentieth of the time of all PHRASES."""
FOREIGN = re.compile("|".join(map(re.escape, WORDS["foreign"])))
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""A word in prose, snake case or camel case."""
SUFFIXES = {".css", ".html", ".j2", ".jinja", ".js", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
SCRIPTS = {"Makefile", ".ci/run", ".ci/bootstrap", ".ci/machines"}
EXEMPT = (
    *("findings/", "src/slipway/local/github_schema/", "src/slipway/local/mermaid/", "tests/problems/"),
    *("tests/workflows/languageservice/", "tests/engine/test_words.py", "tests/engine/words.yaml"),
)
"""Texts of others, and these two."""
OF_A_FORK = ("src/problem/", "tests/problem/", "README.md")
"""Where a fork writes as it likes."""


def files() -> list[str]:
    """Return the files with prose or code that the project wrote."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    exempt = (*EXEMPT, *(OF_A_FORK if (ROOT / engine.LOCK).exists() else ()))
    return [
        name
        for name in listed.split("\0")
        if (Path(name).suffix in SUFFIXES or name in SCRIPTS)
        and (ROOT / name).is_file()
        and not name.startswith(exempt)
    ]


def parts(text: str) -> set[str]:
    """Return the words of a text or a name in lower case."""
    return {part.lower() for part in PART.findall(text)}


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each name that a module gives to a variable, parameter, function or class.

    The fields of a TypedDict are keys of a format, which readers of older documents depend on.
    """
    nodes = list(ast.walk(tree))
    keys = {id(target) for node in nodes if _is_typed_dict(node) for target in _fields(node)}
    for node in nodes:
        if id(node) in keys:
            continue
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if not name.startswith("test_"):
                    yield node.lineno, name


def _is_typed_dict(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(base, ast.Name) and base.id == "TypedDict" for base in node.bases
    )


def _fields(node: ast.ClassDef) -> Iterator[ast.expr]:
    return (field.target for field in node.body if isinstance(field, ast.AnnAssign))


def findings(file: str, text: str) -> Iterator[str]:
    """Yield `file:line: word; write …` for each word or name that the project does not use."""
    if parts(FOREIGN.sub("", text)) & WORDS["everywhere"].keys():
        for number, line in enumerate(text.splitlines(), start=1):
            for word in sorted(parts(FOREIGN.sub("", line)) & WORDS["everywhere"].keys()):
                yield f"{file}:{number}: {word}; write {WORDS['everywhere'][word]}"
    for pattern, phrase in PHRASES.items() if ANY_PHRASE.search(text.lower()) else ():
        for match in pattern.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            yield f"{file}:{number}: {' '.join(match[0].split())}; write {WORDS['phrases'][phrase]}"
    if file.endswith(".py"):
        yield from name_findings(file, text)


def name_findings(file: str, text: str) -> Iterator[str]:
    """Yield `file:line: name; write …` for each name in a module that is vague or has a word that names do not use."""
    for line, name in names(ast.parse(text)):
        if name in WORDS["vague"]:
            yield f"{file}:{line}: {name}; write {WORDS['vague'][name]}"
        for word in sorted(parts(name) & WORDS["names"].keys()):
            yield f"{file}:{line}: {name}; write {WORDS['names'][word]}"


def is_page(file: str) -> bool:
    return file.startswith("docs/") or ("/" not in file and file.endswith(".md"))


@pytest.mark.parametrize("of_pages", [True, False], ids=["pages", "other files"])
def test_prose_and_names_use_the_words_of_the_field(of_pages):
    selected = [file for file in files() if is_page(file) == of_pages]
    lines = [line for file in selected for line in findings(file, (ROOT / file).read_text(encoding="utf-8"))]
    assert selected
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    "text", ["It told us.", "It stops at\n# once.", "spoiltRows", "HTTP_VERBS", "The share of rows"]
)
def test_a_word_is_found_in_prose(text):
    assert list(findings("page.md", text))


@pytest.mark.parametrize("code", ["rows_least = 1", "for one in rows: pass", "def f(told): pass", "class Odd: pass"])
def test_a_name_is_found(code):
    assert list(findings("module.py", code))


@pytest.mark.parametrize("code", ["def test_at_most_one(): pass", "rows = collection.most_common(1)", "one_row = 1"])
def test_names_of_tests_and_of_others_are_free(code):
    assert not list(findings("module.py", code))


def test_keys_of_a_format_keep_their_names_and_other_fields_do_not():
    fields = "    seen_seconds_ago: float\n"
    assert [] == list(name_findings("a.py", f"class Status(TypedDict):\n{fields}"))
    assert [] != list(name_findings("a.py", f"class Status(BaseModel):\n{fields}"))
