"""Command `slipway upgrade`: merge a later template into this fork, and keep the fork's own files.

A merge driver in `.gitattributes` would apply to every merge, and would silently drop the data and numbers of the
fork's own pull requests. A command applies to this merge only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

from slipway import output
from slipway.errors import ArgumentError, WorkTreeError
from slipway.git import Git, GitError
from slipway.pull_request import engine
from slipway.pull_request.engine import OWN
from slipway.scaffold import work_tree

LOCK, PARAMS = "uv.lock", "params.yaml"
NAMED_FILES_MAX = 5  # of a folder, in the summary


def upgrade(reference: str) -> None:
    """Merge `reference`, such as `template/main`, and leave the merge for review, uncommitted.

    Raises UserError when the work tree is not clean, when the reference does not exist, or when both sides changed the
    same lines of a shared file.
    """
    work_tree.require_clean()
    git = Git(Path())
    template = git.resolve(reference)
    if template is None:
        raise ArgumentError(f"{reference}: no such branch; `git remote add template URL`, then `git fetch template`")
    _join(git, reference, template)
    if git.is_ancestor(template, "HEAD"):
        output.message("upgrade", f"{reference} is already merged")
        return
    _merge(git, template)
    _keep_own(git)
    _lock(git, template)
    engine.write_lock(git, template)
    git.run("add", "--", str(engine.LOCK))
    if conflicts := git.unmerged():
        raise WorkTreeError(f"{', '.join(conflicts)}: changed on both sides; edit them, `git add`, and `git commit`")
    _require_valid_params()
    lines = _summary(git)
    output.result({"summary": lines}, "\n".join(lines))


def _require_valid_params() -> None:
    """Raise UserError where the merged engine, in a new process, rejects the merged params.yaml."""
    if not Path("src/slipway/settings").is_dir():
        return
    command = [sys.executable, "-m", "slipway.settings"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": "src"}, capture_output=True, text=True, check=False)
    line = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode and line.startswith(PARAMS):  # otherwise it needs packages from `make setup`
        raise WorkTreeError(f"{line}; fix it, `git add {PARAMS}`, and `git commit`")


def _join(git: Git, reference: str, template: str) -> None:
    """Join a repository from "Use this template", which has no history, to the template's commit that it began from."""
    if git.merge_base("HEAD", template):
        return
    *_, first = git.run("rev-list", "--max-parents=0", "HEAD").split()
    tree = git.read_commit(first).tree
    origin = next((commit.id for commit in git.history(template) if commit.tree == tree), None)
    if origin is None:
        raise WorkTreeError(
            f"{reference}: has no commit in common with this fork, and no commit with its first files; merge it by hand"
        )
    options = ["--quiet", "--allow-unrelated-histories", "--strategy", "ours"]
    git.run("merge", *options, "-m", "Join the template's history", origin)


def _merge(git: Git, template: str) -> None:
    """Merge without a commit, and leave conflicts. Raises GitError when git cannot start the merge."""
    try:
        git.run("merge", "--no-commit", "--no-ff", template)
    except GitError:
        if not git.unmerged():
            raise


def _keep_own(git: Git) -> None:
    """Revert the changes of the merge to the fork's own files, including new ones.

    Untracked files that the merge did not add stay.
    """
    kept = git.entries("HEAD", *OWN)
    added = [path for path in git.tracked(*OWN) if path not in kept]
    if added:
        git.run("rm", "--quiet", "--force", "--", *added)
    if owned := [path for path in OWN if any(engine.is_in(file, path) for file in kept)]:
        git.run("checkout", "HEAD", "--", *owned)


def _lock(git: Git, template: str) -> None:
    """Lock the dependencies of the merged pyproject.toml, starting from the template's versions."""
    if "pyproject.toml" in git.unmerged():
        return
    git.run("checkout", template, "--", LOCK)
    work_tree.uv("lock", "--quiet")
    git.run("add", "--", LOCK)


def _summary(git: Git) -> list[str]:
    paths = git.names("diff-index", "--cached", "--name-only", "-z", "--no-renames", "HEAD")
    changed = [path for path in paths if path != str(engine.LOCK)]
    return [
        f"upgrade: {len(changed)} files of the template changed; {', '.join(OWN)} keep your version",
        *(f"  {folder}: {', '.join(names)}" for folder, names in _by_folder(changed)),
        "",
        "Review `git diff --cached params.yaml`: a new section is a new feature with its defaults.",
        "",
        "Next:",
        "  make setup && uv run dvc repro",
        "  make test",
        "  git add --all && git commit --no-edit",
    ]


def _by_folder(paths: list[str]) -> list[tuple[str, list[str]]]:
    """Return each folder of the template with the names of its changed files, those after the first few as a count."""
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        parent = PurePosixPath(path).parent
        folders.setdefault("." if str(parent) == "." else f"{parent}/", []).append(PurePosixPath(path).name)
    return [
        (folder, [*names[:NAMED_FILES_MAX], *([f"{more} more"] if (more := len(names) - NAMED_FILES_MAX) > 0 else [])])
        for folder, names in folders.items()
    ]
