"""Only `slipway.git` runs git. A direct call would follow the user's settings, and could ignore the exit status."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path("src/slipway/git")
OTHER_SOURCES = [path for path in sorted(Path("src").rglob("*.py")) if PACKAGE not in path.parents]
LIBRARIES = {"dulwich", "git", "pygit2", "scmrepo"}
PORCELAIN = {"annotate", "blame", "branch", "describe", "diff", "grep", "log", "reflog", "shortlog", "show", "tag"}
"""Porcelain commands, whose output is not stable; plumbing commands return the same content."""
STARTERS = {"Popen", "call", "check_call", "check_output", "getoutput", "popen", "run", "split", "system"}
STARTERS |= {"create_subprocess_exec", "create_subprocess_shell", "execv", "execvp", "getstatusoutput", "spawnvp"}
RUNNERS = {"run", "run_bytes", "is_true", "names", "git"}


def direct_calls(source: str) -> list[int]:
    """Return the lines that build a git command, import a git library or read the output of porcelain."""
    return sorted(node.lineno for node in ast.walk(ast.parse(source)) if _is_direct(node))


def _is_direct(node: ast.AST) -> bool:
    if isinstance(node, ast.List | ast.Tuple):
        is_name_alone = isinstance(node, ast.Tuple) and len(node.elts) == 1  # a command has arguments
        return bool(node.elts) and not is_name_alone and _is_git(node.elts[0], alone=True)
    if isinstance(node, ast.BinOp | ast.Starred):
        start = node.left if isinstance(node, ast.BinOp) else node.value
        return isinstance(start, ast.Tuple) and len(start.elts) == 1 and _is_git(start.elts[0], alone=True)
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in LIBRARIES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and (node.module or "").partition(".")[0] in LIBRARIES
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0] if node.args else None
        is_porcelain = isinstance(first, ast.Constant) and first.value in PORCELAIN
        return (name in RUNNERS and is_porcelain) or (name in STARTERS and _is_git(first))
    return False


def _is_git(node: ast.AST | None, *, alone: bool = False) -> bool:
    """Return whether `node` is a string that starts git: its name, a path to it, or unless `alone` a command line."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str | bytes):
        return False
    text = node.value if isinstance(node.value, str) else node.value.decode(errors="replace")
    return (text if alone else text.partition(" ")[0]).rpartition("/")[2] in {"git", "git.exe"}


def test_only_its_package_runs_git():
    calls = {str(path): direct_calls(path.read_text(encoding="utf-8")) for path in OTHER_SOURCES}
    assert {} == {path: lines for path, lines in calls.items() if lines}


@pytest.mark.parametrize(
    "fault",
    [
        'subprocess.run(["git", "status"])',
        'subprocess.run(["/usr/bin/git", *arguments])',
        'command = ("git", "-C", folder)',
        'command = [*("git", "log")]',
        'command = [*("git",), *arguments]',
        'command = ["git"]; command += arguments',
        'command = ("git",) + arguments',
        'os.system("git status")',
        'subprocess.run("git status", shell=True)',
        'subprocess.run(f"git -C {folder} status", shell=True)',
        'shlex.split("git status --porcelain")',
        "import pygit2",
        "from git import Repo",
        "from dulwich.repo import Repo",
        'git.run("log", "-1", "--format=%H")',
        'self._git.run_bytes("show", "HEAD:dvc.lock")',
        'branch.git.run("diff", "--name-only", "HEAD")',
        'repository.git("branch", "--show-current")',
    ],
)
def test_direct_call_is_detected(fault):
    assert [1] == direct_calls(fault)


@pytest.mark.parametrize(
    "harmless",
    [
        'Commands(("git fetch origin",))',
        'TOOLS = ("act", "git")',
        'shutil.which("git")',
        'Tool("git", ("git",))',
        'Git(root).run("ls-files", "-z")',
        'differ("git is not there")',
    ],
)
def test_mention_of_git_is_no_direct_call(harmless):
    assert [] == direct_calls(harmless)


def test_all_sources_are_checked():
    assert len(OTHER_SOURCES) > 100
